"""Training with several outputs, beside tf.keras: losses, names, order, weights, steps."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import tinyconv  # noqa: E402
from tinyconv.models import Functional  # noqa: E402

RNG = np.random.default_rng(3)
N = 10
X = [RNG.standard_normal((N, 4, 4, 2)).astype("float32"),
     RNG.standard_normal((N, 3)).astype("float32")]  # fmt: skip
LABELS = RNG.integers(0, 3, N)
SIZES = RNG.standard_normal((N, 1)).astype("float32")
Y = [LABELS, SIZES]
WEIGHTS = [RNG.random(N).astype("float32"), RNG.random(N).astype("float32")]
SPARSE, MSE = "sparse_categorical_crossentropy", "mse"
BOTH = {"kind": SPARSE, "size": MSE}


def made(library, **kind):
    """Inputs image and facts, outputs kind and size; the same weights in both libraries."""
    layers = library.layers
    image, facts = library.Input((4, 4, 2), name="image"), library.Input((3,), name="facts")
    x = layers.Flatten(name="flat")(layers.Conv2D(3, 3, activation="tanh", name="conv")(image))
    both = layers.Concatenate(name="both")([x, facts])
    outputs = [
        layers.Dense(3, activation="softmax", name="kind", **kind)(both),
        layers.Dense(1, name="size")(x),
    ]
    model = library.Model([image, facts], outputs)
    generator = np.random.default_rng(1)
    model.set_weights([0.5 * generator.standard_normal(w.shape) for w in model.weights])
    return model


def pair(optimizer="SGD", rate=0.01, kind=None, **compiled):
    """Both libraries' models, compiled alike."""
    models = []
    for library in (tinyconv, keras):
        model = made(library, **(kind or {}))
        model.compile(getattr(library.optimizers, optimizer)(rate), **compiled)
        models.append(model)
    return models


COMPILED = {
    "losses in a list": {"loss": [SPARSE, MSE]},
    "losses in a dict": {"loss": BOTH},
    "losses in a dict of another order": {"loss": {"size": MSE, "kind": SPARSE}},
    "weights of the losses": {"loss": BOTH, "loss_weights": [0.5, 3.0]},
    "weights of the losses by name": {"loss": BOTH, "loss_weights": {"kind": 0.5, "size": 3.0}},
    "no loss for the first": {"loss": [None, MSE]},
    "no loss for the second": {"loss": [SPARSE, None]},
    "metrics in a list": {"loss": BOTH, "metrics": [["accuracy"], ["mse"]]},
    "metrics in a dict": {"loss": BOTH, "metrics": {"kind": "accuracy", "size": ["mse"]}},
    "metrics of one output": {"loss": BOTH, "metrics": {"size": ["mse"]}},
    "weighted metrics": {
        "loss": BOTH, "metrics": [["accuracy"], ["mse"]],
        "weighted_metrics": {"kind": ["accuracy"], "size": ["mse"]},
    },
}  # fmt: skip


def as_lists(y, compiled):
    """Targets in the form that both libraries take where an output has no loss."""
    loss = compiled["loss"]
    return [None if isinstance(loss, list) and loss[k] is None else y[k] for k in (0, 1)]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("words", COMPILED)
def test_logs_evaluate_and_weights_are_those_of_keras(words, weights):
    compiled = COMPILED[words]
    ours, theirs = pair(**compiled)
    y = as_lists(Y, compiled)
    lacking = any(target is None for target in y)
    if lacking and weights is not None:
        weights = [None if target is None else w for target, w in zip(y, weights, strict=True)]
    # Batches of one size: Keras takes the mean of head_loss over batches, not over samples.
    options = {"sample_weight": weights, "batch_size": 5, "verbose": 0}
    their_options = {**options}
    if lacking:  # Keras' fit takes no None among arrays
        for _ in range(3):
            for start in range(0, N, 5):
                part = slice(start, start + 5)
                batch = [[a[part] for a in X], [t if t is None else t[part] for t in y]]
                weight = weights and [w if w is None else w[part] for w in weights]
                mine = ours.train_on_batch(*batch, sample_weight=weight, return_dict=True)
        whole = [Y[0], Y[1]]
        factors = weights and [np.ones(N, "float32") if w is None else w for w in weights]
        theirs.fit(X, whole, epochs=3, shuffle=False, **{**their_options, "sample_weight": factors})
        assert set(mine) >= {"loss"}
    else:
        history = ours.fit(X, y, epochs=3, shuffle=False, **options).history
        expected = theirs.fit(X, y, epochs=3, shuffle=False, **their_options).history
        assert set(history) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(history[name], values, rtol=2e-5, err_msg=name)
        results = ours.evaluate(X, y, **options)
        np.testing.assert_allclose(results, theirs.evaluate(X, y, **options), rtol=2e-5)
        named = theirs.evaluate(X, y, return_dict=True, **options)
        mine = ours.evaluate(X, y, return_dict=True, **options)
        assert set(mine) == set(named)
        for name, value in named.items():
            assert mine[name] == pytest.approx(value, rel=2e-5)
    for weight, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize(("optimizer", "rate"), [("SGD", 0.05), ("Adam", 0.01)])
def test_five_steps(optimizer, rate):
    penalty = {"kernel_regularizer": "l2"}
    ours, theirs = pair(optimizer, rate, penalty, loss=BOTH, loss_weights=[1.0, 0.5])
    for _ in range(5):
        ours.reset_metrics()  # Keras' train_on_batch does
        mine = ours.train_on_batch(X, Y, sample_weight=WEIGHTS, return_dict=True)
        other = theirs.train_on_batch(X, Y, sample_weight=WEIGHTS, return_dict=True)
        assert mine["loss"] == pytest.approx(float(other["loss"]), rel=2e-5)
    for weight, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-3, atol=1e-5)


def test_dicts_go_in_by_name():
    ours, twin = (pair(loss=BOTH, metrics={"kind": ["accuracy"]})[0] for _ in range(2))
    x = {"facts": X[1], "image": X[0]}
    y = {"size": SIZES, "kind": LABELS}
    weights = {"size": WEIGHTS[1], "kind": WEIGHTS[0]}
    for _ in range(2):
        assert ours.train_on_batch(x, y, sample_weight=weights) == twin.train_on_batch(
            X, Y, sample_weight=WEIGHTS
        )
    for weight, wanted in zip(ours.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_the_order_of_names():
    ours, _ = pair(loss=BOTH, metrics=[["accuracy"], ["mse"]])
    names = ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mse"]
    ours.train_on_batch(X, Y)
    assert ours.metrics_names == names
    assert [metric.name for metric in ours.metrics] == names
    assert len(ours.evaluate(X, Y, verbose=0)) == 5


def test_metrics_of_one_name_are_told_apart():
    wanted = {"loss": BOTH, "metrics": [["accuracy", "accuracy"], []]}
    ours, theirs = pair(**wanted, weighted_metrics=[["accuracy"], []])
    names = ["kind_accuracy", "kind_accuracy_1", "kind_weighted_accuracy"]
    mine = ours.train_on_batch(X, Y, sample_weight=WEIGHTS, return_dict=True)
    other = theirs.train_on_batch(X, Y, sample_weight=WEIGHTS, return_dict=True)
    assert [name for name in mine if "accuracy" in name] == names
    for name in names:
        assert mine[name] == pytest.approx(float(other[name]), rel=1e-5)


def test_an_unfit_loss_leaves_the_model_as_it_was():
    ours, _ = pair(loss=BOTH)
    before, optimizer = ours.get_weights(), ours.optimizer
    for arguments, message in [
        ({"loss": [SPARSE]}, r"loss must have one entry for each of the 2 outputs \['kind', 'size"),
        ({"loss": {"sort": SPARSE}}, "loss names the output 'sort'. Outputs: .'kind', 'size'"),
        ({"loss": [None, None]}, "compile needs a loss"),
        ({"loss": BOTH, "loss_weights": [1.0]}, "loss_weights must have one entry for each"),
        ({"loss": BOTH, "loss_weights": 2.0}, "loss_weights must be a list or a dict"),
        ({"loss": BOTH, "loss_weights": ["a", "b"]}, "loss_weights must be numbers"),
        ({"loss": BOTH, "metrics": ["accuracy"]}, "metrics must have one entry for each"),
        ({"loss": BOTH, "metrics": {"sort": ["mse"]}}, "metrics names the output 'sort'"),
    ]:
        with pytest.raises(ValueError, match=message) as error:
            ours.compile("adam", **arguments)
        assert repr(ours) in str(error.value)
        assert ours.optimizer is optimizer
    for weight, wanted in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, wanted)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS, "must be a list of 2 arrays, or a dict, for .'kind', 'size'"),
        ([LABELS], "must be a list of 2 arrays"),
        ([LABELS, SIZES[:3]], "10"),
        ([LABELS + 5, SIZES], "labels|classes"),
        ({"kind": LABELS}, "must have the keys|no targets"),
    ],
)
def test_targets_that_do_not_fit(y, message):
    ours, _ = pair(loss=BOTH)
    before = ours.get_weights()
    for method in (ours.train_on_batch, lambda *a: ours.fit(*a, verbose=0)):
        with pytest.raises(ValueError, match=message):
            method(X, y)
    for weight, wanted in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_it_is_a_functional_model():
    assert type(made(tinyconv)) is Functional
