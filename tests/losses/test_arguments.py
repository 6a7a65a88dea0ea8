"""What a loss refuses, and how it is found by its name."""

import numpy as np
import pytest

from tests.losses.formulas import CROSSENTROPIES, KINDS, Kind
from tinyconv import losses

EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
SPARSE, CATEGORICAL = losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy
BINARY, SQUARED = losses.BinaryCrossentropy, losses.MeanSquaredError
P = np.full((4, 3), 0.25)


@pytest.mark.parametrize(
    ("make", "y_true", "message"),
    [
        (SPARSE, np.full(4, 0.5), "labels must be integers in .0, 3.*float64 that are no whole"),
        (SPARSE, [0, 1, 2, np.nan], "no whole numbers"),
        (SPARSE, [0, 1, 2, np.inf], "no whole numbers"),
        (SPARSE, [0, 1, 2, 1e30], "no whole numbers"),
        (SPARSE, [0.0, 1, 2, 3], "for the model has 3 outputs. Received: label 3"),
        (SPARSE, [0.0, 1, 2, -1], "Received: label -1"),
        (SPARSE, np.eye(4, 3), "For one-hot targets use categorical_crossentropy"),
        (SPARSE, [0, 1, 2, 3], "for the model has 3 outputs. Received: label 3"),
        (SPARSE, [0, 1, 2, -1], "Received: label -1"),
        (SPARSE, [0, 1, 2], r"of shape \(4,\). Received: shape \(3,\)\. For one-hot targets"),
        (SPARSE, [0], r"of shape \(4,\). Received: shape \(1,\)"),
        (SPARSE, [0] * 5, r"of shape \(4,\). Received: shape \(5,\)"),
        (SPARSE, [[0, 1]] * 4, r"Received: shape \(4, 2\)"),
        (SPARSE, np.eye(4, 3, dtype=int), "For one-hot targets use categorical_crossentropy"),
        (CATEGORICAL, [0, 1, 2, 0], "For integer classes use sparse_categorical_crossentropy"),
        (CATEGORICAL, np.eye(3), r"predictions' shape \(4, 3\). Received: shape \(3, 3\)"),
        (CATEGORICAL, 2 * np.eye(4, 3), r"targets must be in \[0, 1\].*from 0.0 to 2.0"),
        (CATEGORICAL, np.eye(4, 3) - 0.5, "Received: values from -0.5 to 0.5"),
        (CATEGORICAL, np.full((4, 3), np.nan), r"targets must be in \[0, 1\]"),
        (BINARY, np.full((4, 3), 255), "Received: values from 255 to 255"),
        (BINARY, np.zeros(4), r"Received: shape \(4,\)"),
        (SQUARED, np.zeros((4, 2)), r"Received: shape \(4, 2\)"),
        (SQUARED, np.zeros((5, 3)), r"Received: shape \(5, 3\)"),
        (SQUARED, 0.0, r"Received: shape \(\)"),
    ],
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_targets_that_do_not_fit(make, y_true, message: str, from_logits: bool):
    arguments = {"from_logits": True} if from_logits and make is not SQUARED else {}
    with pytest.raises(ValueError, match=f"{make.__name__}: .*{message}"):
        make(**arguments)(y_true, P)


def test_float_labels_of_many_classes():
    p = np.full((2, 5000), 1 / 5000)
    assert SPARSE()([4999.0, 70.0], p) == SPARSE()([4999, 70], p)


def test_float_labels_that_are_whole_numbers():
    labels = np.array([0, 2, 1, 2])
    for given in (labels.astype("float32"), labels * 1.0, labels[:, None] * 1.0):
        assert SPARSE()(given, P) == SPARSE()(labels, P)


@pytest.mark.parametrize(
    ("make", "y_true", "outputs"),
    [
        (BINARY, np.zeros(8), (8, 8, 8, 1)),
        (BINARY, np.zeros(8, int), (8, 4, 1)),
        (CATEGORICAL, np.eye(8, 3), (8, 7, 7, 3)),
        (SQUARED, np.zeros(8), (8, 7, 7, 1)),
        (SPARSE, np.zeros(8, int), (8, 7, 7, 3)),
        (SPARSE, np.zeros(8, int), (8, 7, 3)),
    ],
)
def test_a_forgotten_pooling(make, y_true, outputs):
    with pytest.raises(ValueError, match="is a GlobalAveragePooling2D or a Flatten missing"):
        make()(y_true, np.full(outputs, 0.5))


@EVERY
def test_a_number_is_no_prediction(kind: Kind):
    with pytest.raises(ValueError, match="expected predictions"):
        kind.make()(0, 0.5)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (1,), (4, 2), (4, 1, 1)])
def test_weights_that_do_not_fit(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="expected sample weights of shape"):
        SPARSE()([0, 1, 2, 0], P, np.ones(shape))


@pytest.mark.parametrize("name", ["binary", "categorical"])
@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan")])
def test_label_smoothing_out_of_range(name: str, smoothing: float):
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\]. Received:"):
        KINDS[name].make(label_smoothing=smoothing)


@EVERY
def test_arguments_that_are_not_supported(kind: Kind):
    name = kind.make.__name__
    with pytest.raises(TypeError, match=f"{name}: unsupported argument 'ignore_class'"):
        kind.make(ignore_class=3)
    with pytest.raises(ValueError, match=f"{name}: reduction must be one of .*Received: 'avg'"):
        kind.make(reduction="avg")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("mse", SQUARED),
        ("mean_squared_error", SQUARED),
        ("MeanSquaredError", SQUARED),
        ("binary_crossentropy", BINARY),
        ("categorical_crossentropy", CATEGORICAL),
        ("sparse_categorical_crossentropy", SPARSE),
        ("SparseCategoricalCrossentropy", SPARSE),
    ],
)
def test_names(name: str, make: type[losses.Loss]):
    assert type(losses.get(name)) is make


def test_get_takes_classes_and_instances():
    loss = CATEGORICAL(label_smoothing=0.1)
    assert losses.get(loss) is loss
    assert type(losses.get(BINARY)) is BINARY


@pytest.mark.parametrize("unknown", ["categorical_crossentropie", "loss", ""])
def test_unknown_names(unknown: str):
    with pytest.raises(
        ValueError, match=r"loss: unknown name .*Known: .*binary_crossentropy"
    ) as error:
        losses.get(unknown)
    if unknown.startswith("categorical"):
        assert "Did you mean 'categorical_crossentropy'?" in str(error.value)


@pytest.mark.parametrize("wrong", [None, 3, lambda y_true, y_pred: 0.0])
def test_what_is_no_loss(wrong):
    with pytest.raises(TypeError, match="loss must be a name or"):
        losses.get(wrong)


@pytest.mark.parametrize("part", ["check_targets", "rows"])
def test_a_loss_of_ones_own_that_lacks_a_part(part: str):
    parts = {"check_targets": lambda self, y_true, shape: y_true, "rows": lambda self, t, p: (p, p)}
    del parts[part]
    with pytest.raises(TypeError, match=f"Mine defines no {part}"):
        type("Mine", (losses.Loss,), parts)()([[1.0]], [[2.0]])


def test_an_activation_that_a_loss_can_not_take_over():
    with pytest.raises(TypeError, match="MeanSquaredError takes over no activation"):
        SQUARED().compute([[1.0]], [[2.0]], from_logits=True)


def test_how_to_write_a_loss_of_ones_own_is_told():
    with pytest.raises(TypeError, match=r"the function .*a subclass of tinyconv"):
        losses.get(lambda y_true, y_pred: 0.0)
    for name in ("mae", "MeanAbsoluteError"):
        with pytest.raises(ValueError, match=f"'{name}' is not supported. .*subclass") as error:
            losses.get(name)
        assert "Did you mean" not in str(error.value)


@EVERY
def test_a_configuration_makes_the_same_loss(kind: Kind):
    arguments = {"reduction": "sum", "name": "mine"}
    if kind.activate:
        arguments["from_logits"] = True
    if kind.smoothed:
        arguments["label_smoothing"] = 0.25
    loss = kind.make(**arguments)
    assert loss.get_config() == arguments
    config = {"class_name": kind.make.__name__, "config": loss.get_config()}
    twin = losses.get(config)
    assert type(twin) is kind.make
    assert twin.get_config() == arguments


@pytest.mark.parametrize(("name", "activation"), [(n, n) for n in CROSSENTROPIES] + [("mse", None)])
def test_which_activation_is_taken_over(name: str, activation: str | None):
    expected = {"sparse": "softmax", "categorical": "softmax", "binary": "sigmoid"}
    assert KINDS[name].make.fused_activation == (activation and expected[activation])
