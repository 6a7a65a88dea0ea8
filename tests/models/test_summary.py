"""model.summary() prints what Keras prints, character for character."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from keras.src.utils import naming  # noqa: E402

import tinyconv  # noqa: E402

BOOK_COUNTS = ("320", "18,496", "401,536", "1,290", "Total params: 421,642")


@pytest.fixture(autouse=True)
def names_start_anew(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # Keras cuts off what the terminal can't show
    tinyconv.utils.clear_session()
    naming.reset_uids()  # keras.utils.clear_session() does more, and takes half a second


def book_cnn(lib):
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def normalized(lib):
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input((6, 6, 3)),
            layers.Rescaling(1 / 255),
            layers.ZeroPadding2D(1),
            layers.Conv2D(4, 3, use_bias=False, name="a_name_that_is_far_too_long_for_its_column"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.AveragePooling2D(2),
            layers.Dropout(0.5),
            layers.GlobalMaxPooling2D(),
            layers.Reshape((2, 2)),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Softmax(),
        ],
        name="normalized",
    )


def nested(lib):
    layers = lib.layers
    body = lib.Sequential(
        [lib.Input((4, 4, 3)), layers.Conv2D(2, 3), layers.BatchNormalization()], name="body"
    )
    body.layers[0].trainable = False
    head = [layers.GlobalAveragePooling2D(), layers.Dense(1)]
    return lib.Sequential([lib.Input((4, 4, 3)), body, *head])


def unknown_size(lib):
    layers = lib.layers
    parts = [layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    return lib.Sequential([lib.Input((None, None, 1)), *parts], name="any_size")


def frozen(lib):
    model = unknown_size(lib)
    model.trainable = False
    return model


def printed(model, capsys, width):
    capsys.readouterr()
    model.summary(line_length=width)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("make", [book_cnn, normalized, nested, unknown_size, frozen])
def test_summary_is_keras_own(make, width, capsys):
    expected = printed(make(keras), capsys, width)
    assert printed(make(tinyconv), capsys, width) == expected
    assert expected.startswith('Model: "')


def test_summary_of_the_book_holds_the_books_numbers(capsys):
    text = printed(book_cnn(tinyconv), capsys, 80)
    for count in BOOK_COUNTS:
        assert count in text


@pytest.mark.parametrize("make", [normalized, nested], ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    ("optimizer", "arguments"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("RMSprop", {}),
        ("RMSprop", {"momentum": 0.9, "centered": True}),
        ("Adam", {}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
    ],
)
def test_summary_after_training_counts_the_optimizer(make, optimizer, arguments, capsys):
    texts = []
    for lib in (keras, tinyconv):
        model = make(lib)
        model.compile(getattr(lib.optimizers, optimizer)(**arguments), "mse")
        if lib is keras:
            model.run_eagerly = True  # else it compiles for a second first
        x = np.zeros((2, *model.input_shape[1:]), "float32")
        model.train_on_batch(x, np.zeros((2, model.output_shape[-1]), "float32"))
        texts.append(printed(model, capsys, 80))
    assert texts[1] == texts[0]
    assert "Optimizer params" in texts[0]


def test_summary_of_the_books_cnn_before_and_after_adam(capsys):
    for lib, texts in ((keras, expected := []), (tinyconv, actual := [])):
        model = book_cnn(lib)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        texts.append(printed(model, capsys, 88))
        if lib is keras:
            model.run_eagerly = True  # else it compiles for a second first
        model.train_on_batch(np.zeros((1, 28, 28, 1), "float32"), np.zeros(1, "int64"))
        texts.append(printed(model, capsys, 88))
    assert actual == expected
    assert "Optimizer params: 843,286" in expected[1]


def test_print_fn_gets_the_same_text(capsys):
    model = unknown_size(tinyconv)
    lines = []
    model.summary(line_length=70, print_fn=lines.append)
    assert capsys.readouterr().out == ""
    assert "\n".join(lines) + "\n" == printed(model, capsys, 70)


@pytest.mark.parametrize(("columns", "width"), [("64", 60), ("300", 88)])
def test_without_a_line_length_the_terminal_decides(columns, width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    text = printed(unknown_size(tinyconv), capsys, None)
    assert text == printed(unknown_size(keras), capsys, None)
    assert {len(line) for line in text.splitlines() if line[0] in "┏┃┡│├└"} == {width}


def test_a_model_of_unknown_shape_says_what_to_do():
    model = tinyconv.Sequential([tinyconv.layers.Dense(2)])
    with pytest.raises(
        ValueError, match=r"'sequential'.*Start with an Input.*build\(input_shape\)"
    ):
        model.summary()


def test_the_optimizer_is_that_of_what_was_trained(capsys):
    """Layers are unfrozen or frozen, and the model is not compiled again yet."""
    texts = {}
    for lib in (keras, tinyconv):
        model = nested(lib)
        model.compile("adam", "mse")
        if lib is keras:
            model.run_eagerly = True
        model.train_on_batch(np.zeros((2, 4, 4, 3), "float32"), np.zeros((2, 1), "float32"))
        texts[lib] = []
        for trainable in (True, False):
            model.layers[-3].trainable = trainable
            texts[lib].append(printed(model, capsys, 80))
    # (Keras prints what was trainable when the model was compiled.)
    trained = [" Trainable params: 63 (252.00 B)", " Trainable params: 3 (12.00 B)"]
    for ours, theirs, line in zip(texts[tinyconv], texts[keras], trained, strict=True):
        assert line in ours
        assert ours.splitlines()[-1] == theirs.splitlines()[-1] == " Optimizer params: 16 (68.00 B)"
