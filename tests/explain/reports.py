"""What tests of the page share: models, and what is in a page."""

from __future__ import annotations

from html.parser import HTMLParser

from tinyconv import Input, Model, Sequential, layers


def small() -> Sequential:
    """A convolution, a pooling, a dense layer; grey images, three classes."""
    return Sequential(
        [
            Input((10, 9, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="head"),
        ],
        name="small",
    )


def residual() -> Model:
    """A shortcut around a normalised convolution in a model of its own; one sigmoid."""
    x = Input((12, 12, 3), name="pixels")
    y = layers.ZeroPadding2D(1, name="border")(x)
    y = layers.Conv2D(4, 3, name="first")(y)
    inner = Input((12, 12, 4), name="maps")
    z = layers.Conv2D(4, 3, padding="same", use_bias=False, name="second")(inner)
    z = layers.BatchNormalization(name="norm")(z)
    z = layers.Activation("relu", name="bent")(z)
    block = Model(inner, layers.Add(name="sum")([inner, z]), name="block")
    y = block(y)
    y = layers.AveragePooling2D(2, name="halve")(y)
    y = layers.Dropout(0.5, name="drop")(y)
    y = layers.GlobalAveragePooling2D(name="mean")(y)
    return Model(x, layers.Dense(1, activation="sigmoid", name="head")(y), name="residual")


class Page(HTMLParser):
    """The elements of a page.

    Attributes:
        elements: (name, attributes) of each.
        ids: of all that have one, in order.
        text: of the page, style and script left out.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []
        self.ids = [str(each["id"]) for _, each in self.elements if "id" in each]
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("a", "wbr"):
            self.texts.append(" ")
        if tag not in ("img", "meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    def values(self, tag: str, attribute: str) -> list[str]:
        """An attribute of all elements of a kind that have it."""
        return [
            str(each[attribute])
            for name, each in self.elements
            if name == tag and attribute in each
        ]
