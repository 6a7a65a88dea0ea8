"""Compiled models: losses fused with the last activation, weights, penalties, running metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases.losses import K, N, binary, labels, onehot
from parity.cases.network import Described, Network, make
from parity.data import Array, draw
from parity.sides.base import Batch, Side
from parity.tolerances import STEP

_FEATURES = 7


def head(*layers: Described) -> Network:
    """A small network that ends like this."""
    return Network((_FEATURES,), (("Dense", {"units": 6, "activation": "tanh"}), *layers))


def dense(activation: str | None, units: int = K, /, **arguments: Any) -> Described:
    """The last layer of a classifier."""
    return "Dense", {"units": units, "activation": activation, **arguments}


def step(
    words: str,
    network: Network,
    loss: Described,
    y: Array,
    weight: Array | None = None,
    *,
    size: float = 1.0,
    frozen: tuple[int, ...] = (),
    literally: bool = False,
    note: str = "",
) -> Case:
    """Loss, output and gradients of one batch; `size` is that of the inputs."""

    def measure(side: Side, dtype: str) -> Results:
        model = network.build(side, dtype)
        for place in frozen:
            model.layers[place].trainable = False
        side.compile(model, "sgd", make(side, "losses", loss), literally=literally)
        x = (size * draw("normal", (N, *network.shape))).astype(dtype)
        targets = y if y.dtype.kind in "iu" else y.astype(dtype)
        return side.gradients(
            model, Batch(x, targets, None if weight is None else weight.astype(dtype))
        )

    uses = (*network.layers, loss)
    return Case("training", words, measure, uses, tolerance=STEP, note=note)


_LITERALLY = (
    "beside Keras' loss of the probabilities; in fit, Keras takes the logits below whatever "
    "activation stands last, which makes it the loss of other probabilities than are predicted"
)
SPARSE: Described = ("SparseCategoricalCrossentropy", {})
CATEGORICAL: Described = ("CategoricalCrossentropy", {})
BINARY: Described = ("BinaryCrossentropy", {})
SQUARED: Described = ("MeanSquaredError", {})


def logits(loss: Described) -> Described:
    """The same loss, for outputs without their activation."""
    return loss[0], {**loss[1], "from_logits": True}


def cases() -> list[Case]:
    """All of them."""
    return [*_fused(), *_plain(), *_weights(), *_penalties(), *_frozen(), *_running()]


def _fused() -> list[Case]:
    """Softmax or sigmoid in the last layer: the loss sees its logits, as in Keras."""
    smooth = {"label_smoothing": 0.1}
    weight = draw("pixels", (N,))
    return [
        step("softmax and sparse cross-entropy", head(dense("softmax")), SPARSE, labels(N)),
        step("softmax and sparse cross-entropy, labels (N, 1)", head(dense("softmax")), SPARSE,
             labels(N)[:, None]),
        step("softmax and categorical cross-entropy", head(dense("softmax")), CATEGORICAL,
             onehot(N)),
        step("sigmoid and binary cross-entropy", head(dense("sigmoid", 3)), BINARY, binary(N, 3)),
        step("sigmoid and binary cross-entropy, labels (N,)", head(dense("sigmoid", 1)), BINARY,
             binary(N)),
        step("fused, label_smoothing", head(dense("softmax")), (CATEGORICAL[0], smooth),
             onehot(N)),
        step("fused, binary label_smoothing", head(dense("sigmoid", 3)), (BINARY[0], smooth),
             binary(N, 3)),
        step("fused, sample weights", head(dense("softmax")), SPARSE, labels(N), weight),
        step("fused, sum", head(dense("softmax")), (SPARSE[0], {"reduction": "sum"}), labels(N)),
        step("fused with an Activation layer", head(dense(None), ("Activation", {
             "activation": "softmax"})), SPARSE, labels(N)),
        step("fused with a Softmax layer", head(dense(None), ("Softmax", {})), SPARSE, labels(N)),
        step("fused with an Activation layer, sigmoid", head(dense(None, 3), ("Activation", {
             "activation": "sigmoid"})), BINARY, binary(N, 3)),
        step("softmax and from_logits=True", head(dense("softmax")), logits(SPARSE), labels(N),
             note="both take the logits below the softmax all the same"),
        step("sigmoid and from_logits=True", head(dense("sigmoid", 3)), logits(BINARY),
             binary(N, 3), note="both take the logits below the sigmoid all the same"),
        # Without a hidden layer that would squash them, logits are as large as the inputs.
        step("softmax, logits of 1e4", Network((_FEATURES,), (dense("softmax"),)), SPARSE,
             labels(N), size=1e4),
        step("sigmoid, logits of 1e4", Network((_FEATURES,), (dense("sigmoid", 3),)), BINARY,
             binary(N, 3), size=1e4),
    ]  # fmt: skip


def _plain() -> list[Case]:
    return [
        step("logits and sparse cross-entropy", head(dense(None)), logits(SPARSE), labels(N)),
        step("logits and categorical cross-entropy", head(dense(None)), logits(CATEGORICAL),
             onehot(N)),
        step("logits and binary cross-entropy", head(dense(None, 3)), logits(BINARY),
             binary(N, 3)),
        step("linear and squared error", head(dense(None, 3)), SQUARED, draw("normal", (N, 3))),
        step("squared error, targets (N,)", head(dense(None, 1)), SQUARED, draw("normal", (N,))),
        step("sigmoid and squared error", head(dense("sigmoid", 3)), SQUARED, binary(N, 3)),
        step("softmax and squared error", head(dense("softmax")), SQUARED, onehot(N)),
        step("softmax and binary cross-entropy, literally", head(dense("softmax")), BINARY,
             onehot(N), literally=True, note=_LITERALLY),
        step("sigmoid and categorical cross-entropy, literally", head(dense("sigmoid")),
             CATEGORICAL, onehot(N), literally=True, note=_LITERALLY),
        step("softmax behind which follows a layer",
             head(dense("softmax"), ("Rescaling", {"scale": 0.5})), SPARSE, labels(N)),
    ]  # fmt: skip


def trained(
    words: str,
    network: Network,
    loss: Described,
    y: Array,
    weight: Array | None = None,
    **options: Any,
) -> Case:
    """train_on_batch with its options: the loss and all weights after one step of SGD."""

    def measure(side: Side, dtype: str) -> Results:
        model = network.build(side, dtype)
        optimizer = side.library.optimizers.SGD(0.5)
        side.compile(model, optimizer, make(side, "losses", loss))
        x = draw("normal", (N, *network.shape)).astype(dtype)
        targets = y if y.dtype.kind in "iu" else y.astype(dtype)
        batch = Batch(x, targets, None if weight is None else weight.astype(dtype))
        return side.train(model, [batch], **options)

    return Case("training", words, measure, (*network.layers, loss), tolerance=STEP)


def _weights() -> list[Case]:
    """Of samples and of classes."""
    weight = draw("pixels", (N,)) + 0.5
    classes = {0: 2.0, 1: 0.5, 3: 0.0}
    two = {0: 3.0, 1: 0.5}
    softmax, sigmoid = head(dense("softmax")), head(dense("sigmoid", 1))
    return [
        trained("sample weights", softmax, SPARSE, labels(N), weight),
        trained("sample weights, some 0", softmax, SPARSE, labels(N), np.arange(N) % 2 * 2.0),
        trained("class weights", softmax, SPARSE, labels(N), class_weight=classes),
        trained("class weights, labels (N, 1)", softmax, SPARSE, labels(N)[:, None],
                class_weight=classes),
        trained("class weights, one-hot", softmax, CATEGORICAL, onehot(N), class_weight=classes),
        trained("class weights, binary", sigmoid, BINARY, binary(N), class_weight=two),
        trained("class weights, binary (N, 1)", sigmoid, BINARY, binary(N, 1), class_weight=two),
        trained("sample weights, squared error", head(dense(None, 2)), SQUARED,
                draw("normal", (N, 2)), weight),
    ]  # fmt: skip


def _penalties() -> list[Case]:
    def penalty(cls: str, **arguments: float) -> dict[str, Any]:
        return {"class_name": cls, "config": arguments}

    both = {
        "kernel_regularizer": penalty("L2", l2=0.25),
        "bias_regularizer": penalty("L2", l2=0.5),
    }
    conv = ("Conv2D", {"filters": 3, "kernel_size": 2, **both})
    norm = (
        "BatchNormalization",
        {
            "gamma_regularizer": penalty("L1L2", l1=0.25, l2=0.5),
            "beta_regularizer": penalty("L2", l2=0.25),
        },
    )
    image = Network((4, 5, 2), (conv, norm, ("Flatten", {}), dense("softmax")))
    return [
        step("kernel_regularizer", head(dense("softmax", kernel_regularizer="l2")), SPARSE,
             labels(N)),
        step("bias_regularizer", head(dense("softmax", bias_regularizer=penalty("L2", l2=0.5))),
             SPARSE, labels(N)),
        step("regularizers of Dense", head(dense("softmax", **both)), SPARSE, labels(N)),
        step("regularizers of Conv2D and BatchNormalization", image, SPARSE, labels(N)),
    ]  # fmt: skip


def _frozen() -> list[Case]:
    norm: Described = ("BatchNormalization", {})
    three = head(norm, dense("softmax"))
    image = Network(
        (6, 6, 2),
        (
            ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}),
            norm,
            ("Flatten", {}),
            dense("softmax"),
        ),
    )
    return [
        step("a frozen first layer", three, SPARSE, labels(N), frozen=(0,)),
        step("a frozen middle layer", three, SPARSE, labels(N), frozen=(1,)),
        step("a frozen last layer", three, SPARSE, labels(N), frozen=(2,)),
        step("a frozen convolution and normalization", image, SPARSE, labels(N), frozen=(0, 1)),
        step("a Dense kernel after Flatten", image, SPARSE, labels(N)),
    ]


def _running() -> list[Case]:
    """What fit and evaluate report, batches of unequal size included."""

    def logs(words: str, network: Network, loss: Described, y: Array, metric: str) -> Case:
        def measure(side: Side, dtype: str) -> Results:
            model = network.build(side, dtype)
            side.compile(model, side.library.optimizers.SGD(0.25), make(side, "losses", loss),
                         [metric])  # fmt: skip
            x = draw("normal", (len(y), *network.shape)).astype(dtype)
            targets = y if y.dtype.kind in "iu" else y.astype(dtype)
            options = {"batch_size": 4, "shuffle": False, "verbose": 0}
            history = model.fit(x, targets, epochs=3, validation_split=0.25, **options).history
            evaluated = model.evaluate(x, targets, batch_size=4, verbose=0)
            return {
                **{key: np.asarray(history[key], dtype) for key in sorted(history)},
                "evaluate": np.asarray(evaluated, dtype),
                "predict": np.asarray(model.predict(x, batch_size=4, verbose=0)),
            }

        return Case("training", words, measure, (*network.layers, loss), tolerance=STEP)

    many = 14
    accuracy = "accuracy"
    return [
        logs("fit and evaluate, sparse", head(dense("softmax")), SPARSE, labels(many), accuracy),
        logs("fit and evaluate, categorical", head(dense("softmax")), CATEGORICAL, onehot(many),
             accuracy),
        logs("fit and evaluate, binary", head(dense("sigmoid", 1)), BINARY, binary(many),
             accuracy),
        logs("fit and evaluate, squared error", head(dense(None, 2)), SQUARED,
             draw("normal", (many, 2)), "mse"),
    ]  # fmt: skip
