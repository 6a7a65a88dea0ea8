"""The plan: which layers are computed together, what is kept, and that nobody can tell."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinyconv
from tests.models.graphs import inputs_of, randomize, siamese, two_by_two
from tinyconv import Input, Model, Sequential, config, layers
from tinyconv.backends import get_backend
from tinyconv.models.blocks import Folded

RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def switched_on_again():
    yield
    config.set_planning(True)
    config.set_batch_norm_folding(True)


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    with tinyconv.use_backend(request.param) as chosen:
        yield chosen


def conv(filters=3, size=3, name="conv", **named):
    return layers.Conv2D(filters, size, name=name, **{"dtype": "float64", **named})


def dense(units=3, name="dense", **named):
    return layers.Dense(units, name=name, **{"dtype": "float64", **named})


def norm(**named):
    return layers.BatchNormalization(name="norm", **{"dtype": "float64", **named})


def relu(name="relu", dtype="float64", **named):
    return layers.ReLU(name=name, dtype=dtype, **named)


def pool(name="pool", **named):
    return layers.MaxPooling2D(name=name, **{"dtype": "float64", **named})


def flat():
    return layers.Flatten(name="flat", dtype="float64")


def mixed(model):
    """Kernels of both signs, so that ReLU is shut here and open there; all else is positive."""
    for weight in randomize(model, seed=4).weights:
        if weight.name == "kernel":
            weight.value[...] -= 1
    return model


def made(*parts, shape=(8, 8, 2)):
    return mixed(Sequential([Input(shape, dtype="float64"), *parts]))


def planned(model, training=True, needed=True, logits=()):
    """[(operation, names of the layers)], for a pass that goes back unless `needed` is None."""
    ways = None if needed is None else [needed] * len(model.inputs)
    return [
        (work.block.operation or "alone", " ".join(call.layer.name for call in work.block.calls))
        for work in model.graph.plan(training, ways, logits).work
    ]


# ---- what goes together -----------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (lambda: [conv()], ["conv_block: conv"]),
        (lambda: [conv(activation="relu"), pool()], ["conv_block: conv pool"]),
        (lambda: [conv(), relu(), pool()], ["conv_block: conv relu pool"]),
        (lambda: [conv(), pool(), relu()], ["conv_block: conv pool", "alone: relu"]),
        (
            lambda: [conv(activation="tanh"), relu(), pool()],
            ["conv_block: conv", "alone: relu", "alone: pool"],
        ),
        (
            lambda: [conv(), layers.Activation("gelu", name="gelu", dtype="float64")],
            ["conv_block: conv gelu"],
        ),
        (lambda: [conv(), norm()], ["conv_block: conv", "alone: norm"]),
        (
            lambda: [conv(), norm(), relu(), pool()],
            ["conv_block: conv", "batch_norm_block: norm relu", "alone: pool"],
        ),
        (lambda: [flat(), dense(), relu()], ["alone: flat", "dense_block: dense relu"]),
        (
            lambda: [dense(), pool(), relu()],
            ["dense_block: dense", "alone: pool", "alone: relu"],
        ),
    ],
)  # fmt: skip
def test_what_goes_together_in_training(parts, expected):
    assert [": ".join(block) for block in planned(made(*parts()))] == expected


def test_a_constant_normalisation_is_folded_where_nothing_is_kept():
    model = made(conv(), norm(), relu(), pool(), flat(), dense())
    folded = [("conv_block", "conv norm relu pool"), ("alone", "flat"), ("dense_block", "dense")]
    assert planned(model, training=False, needed=None) == folded
    work = model.graph.plan(False).work
    assert [isinstance(each.block, Folded) for each in work] == [True, False, False]
    apart = [("conv_block", "conv"), ("batch_norm_block", "norm relu"), ("alone", "pool")]
    assert planned(model, training=False)[:3] == apart, "the tape needs them"
    assert planned(model, training=True, needed=None)[:3] == apart, "the batch's statistics"
    config.set_batch_norm_folding(False)
    assert planned(model, training=False, needed=None)[:3] == apart


class OtherConv(layers.Conv2D):
    """The very same, but who knows."""


def used_twice():
    x = Input((8, 8, 2), dtype="float64")
    y = conv()(x)
    return Model(x, layers.Add(name="add", dtype="float64")([relu()(y), y]))


def an_output():
    x = Input((8, 8, 2), dtype="float64")
    y = conv()(x)
    return Model(x, [y, relu()(y)])


def replaced():
    model = made(conv(), relu())
    layer = model.layers[1]
    layer.forward = type(layer).forward.__get__(layer)
    return model


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (used_twice, "conv_block"),
        (an_output, "conv_block"),
        (replaced, "conv_block"),
        (lambda: made(OtherConv(3, 3, name="conv", dtype="float64"), relu()), "alone"),
        (lambda: made(conv(), relu(dtype="float32")), "conv_block"),
        (lambda: made(conv(), layers.Softmax(name="relu", dtype="float64")), "conv_block"),
    ],
    ids=["used twice", "an output", "a method replaced", "a subclass", "a dtype", "Softmax"],
)
def test_what_stays_apart(model, first):
    assert planned(model())[:2] == [(first, "conv"), ("alone", "relu")]


def test_layer_by_layer_when_it_is_switched_off():
    model = made(conv(), norm(), relu(), pool())
    config.set_planning(False)
    for training, needed in ((True, True), (False, None)):
        names = ["conv", "norm", "relu", "pool"]
        assert planned(model, training, needed) == [("alone", name) for name in names]


def test_a_plan_is_made_once_and_again_when_something_changes():
    model = made(conv(), norm(), relu(), flat(), dense())
    graph = model.graph
    first = graph.plan(True, [False], [False])
    assert graph.plan(True, [False], [False]) is first
    assert graph.plan(False) is graph.plan(False)
    model.layers[0].trainable = model.layers[1].trainable = False
    frozen = graph.plan(True, [False], [False])
    assert isinstance(frozen.work[0].block, Folded)
    model.layers[1].trainable = True
    assert not isinstance(graph.plan(True, [False], [False]).work[0].block, Folded)
    model.layers[0].trainable = True
    assert graph.plan(True, [False], [False]) is first
    for _ in range(20):
        model.layers[0].activation = tinyconv.layers.Activation("relu").activation
        graph.plan(True, [False], [False])
    assert len(graph._plans) <= 8


def test_an_activation_that_is_exchanged_takes_effect_at_once(backend):
    model = made(conv(), pool())
    x = RNG.standard_normal((2, 8, 8, 2))
    plain = model(x)
    model.layers[0].activation = layers.Activation("tanh").activation
    np.testing.assert_allclose(model(x), np.tanh(plain), rtol=1e-12)


# ---- the same numbers ---------------------------------------------------------------


def book():
    return made(
        conv(activation="relu"), pool(), conv(name="conv2"), relu(), flat(),
        layers.Dropout(0.4, seed=3, name="drop", dtype="float64"),
        dense(5, "hidden"), relu("relu2"), dense(3, "top", activation="softmax"),
    )  # fmt: skip


def normalized():
    return made(
        conv(use_bias=False), norm(), relu(), pool(), conv(size=1, name="conv2"),
        layers.BatchNormalization(name="norm2", dtype="float64", scale=False),
        relu("relu2", max_value=6.0), flat(), dense(3),
        layers.Activation("softmax", name="softmax", dtype="float64"),
    )  # fmt: skip


def shared():
    x = Input((8, 8, 2), dtype="float64")
    same = conv(2, padding="same", name="same")
    y = relu()(same(relu("relu0")(same(x))))
    z = layers.Add(name="add", dtype="float64")([y, pool(strides=1, padding="same")(same(y))])
    return mixed(Model(x, dense(3, "top", activation="softmax")(flat()(z))))


def nested():
    x = Input((8, 8, 2), dtype="float64")
    inside = Sequential([Input((8, 8, 2), dtype="float64"), conv(), norm()], name="inside")
    y = flat()(pool()(relu()(inside(x))))
    return mixed(Model(x, dense(3, "top", activation="softmax")(y)))


def half_frozen():
    model = normalized()
    for layer in model.layers[:4]:
        layer.trainable = False
    return model


MODELS = [book, normalized, shared, nested, half_frozen, siamese, two_by_two]
CLASSIFIERS = [book, normalized, shared, nested, half_frozen]


def both_ways(compute):
    """What `compute` gives with and without the plan."""
    results = []
    for on in (True, False):
        config.set_planning(on)
        config.set_batch_norm_folding(False)  # the one thing that rounds differently
        results.append(compute())
    return results


def assert_same(results, backend):
    """In NumPy bit for bit; fused kernels may round differently."""
    for a, b in zip(*results, strict=True):
        if backend.name == "numpy":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_slopes_and_gradients(make, training, backend):
    def compute():
        model = mixed(make())
        x = inputs_of(model)
        y, cache = model.forward(x if len(x) > 1 else x[0], training)
        outputs = y if isinstance(y, list) else [y]
        slopes = [np.cos(np.arange(each.size)).reshape(each.shape) for each in outputs]
        slopes = slopes if len(slopes) > 1 else slopes[0]
        dx, grads = model.backward(slopes, cache)
        again, _ = model.backward(slopes, cache)  # a tape is a value
        dx, again = (each if isinstance(each, list) else [each] for each in (dx, again))
        for a, b in zip(dx, again, strict=True):
            np.testing.assert_array_equal(a, b)
        statistics = [w.numpy() for w in model.weights]
        return [*outputs, *dx, *(grads[key] for key in sorted(grads)), *statistics]

    assert_same(both_ways(compute), backend)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_training(make, backend):
    def compute():
        tinyconv.utils.set_random_seed(2)
        model = make()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        x, y = np.random.default_rng(3).standard_normal((12, 8, 8, 2)), np.arange(12) % 3
        history = model.fit(x, y, batch_size=5, epochs=2, verbose=0, validation_data=(x, y))
        numbers = [np.array(values) for values in history.history.values()]
        return [*numbers, model.predict(x, verbose=0), *model.get_weights()]

    assert_same(both_ways(compute), backend)


def test_training_on_kept_features(backend):
    def compute(keep):
        model = half_frozen()
        model.compile("sgd", "sparse_categorical_crossentropy")
        x, y = np.random.default_rng(3).standard_normal((12, 8, 8, 2)), np.arange(12) % 3
        model.fit(x, y, epochs=3, verbose=0, cache_frozen_features=keep, shuffle=False)
        return model.get_weights()

    results = both_ways(lambda: compute(True))
    assert_same(results, backend)
    for kept, plain in zip(results[0], compute(False), strict=True):
        np.testing.assert_allclose(kept, plain, rtol=1e-9, atol=1e-11)


def test_the_loss_takes_over_the_last_activation(backend):
    model = normalized()
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert planned(model, logits=[True])[-1] == ("dense_block", "dense softmax")
    x = RNG.standard_normal((4, 8, 8, 2))
    (logits,), _ = model.forward_for_loss([x], True, [True])
    assert not np.allclose(logits.sum(axis=-1), 1)
    probabilities = tinyconv.nn.softmax(logits)
    (y,), _ = model.forward_for_loss([x], True, [False])
    np.testing.assert_allclose(probabilities, y, rtol=1e-12)


def test_predict_from_several_threads(backend):
    model = normalized()
    batches = [np.random.default_rng(n).standard_normal((6, 8, 8, 2)) for n in range(8)]
    alone = [model.predict(x, verbose=0) for x in batches]
    model.graph._plans.clear()  # the threads make it together
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda x: model.predict(x, verbose=0), batches * 4))
    for y, expected in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(y, expected)


def test_a_pool_that_does_not_fit_is_told_before_anything_is_computed(backend):
    model = Sequential([Input((None, None, 2)), layers.Conv2D(3, 3), layers.MaxPooling2D(4)])
    with pytest.raises(ValueError, match=r"MaxPooling2D 'max_pooling2d': the window of 4 x 4"):
        model(np.ones((1, 5, 5, 2), "float32"))


# ---- what is never computed, and what is not kept --------------------------------------


def counted(monkeypatch, *operations):
    """How often an operation of the backend in use is called from now on."""
    counts, backend = dict.fromkeys(operations, 0), get_backend()
    for name in operations:
        original = getattr(backend, name)

        def spy(*args, name=name, original=original):
            counts[name] += 1
            return original(*args)

        monkeypatch.setattr(backend, name, spy, raising=False)
    return counts


@pytest.mark.parametrize("frozen", [0, 1])
def test_the_slope_of_what_nobody_trains_is_never_computed(monkeypatch, frozen):
    with tinyconv.use_backend("numpy"):
        parts = [conv(name=f"conv{n}", activation="relu") for n in range(3)]
        model = made(*parts, flat(), dense())
        for layer in parts[:frozen]:
            layer.trainable = False
        model.compile("sgd", "mse")
        counts = counted(monkeypatch, "conv2d_input_gradient", "conv2d_kernel_gradient")
        model.train_on_batch(RNG.standard_normal((2, 8, 8, 2)), np.ones((2, 3)))
        assert counts["conv2d_input_gradient"] == 2 - frozen
        assert counts["conv2d_kernel_gradient"] == 3 - frozen


def trained_around_frozen():
    """Frozen layers of every kind between two that are trained."""
    model = made(
        conv(name="low"), conv(name="conv1", activation="relu"), norm(), relu(),
        conv(name="conv2", size=2),
        layers.BatchNormalization(name="norm2", dtype="float64", center=False), flat(),
        dense(4, "middle", activation="tanh"), dense(3, "top"),
    )  # fmt: skip
    for layer in model.layers:
        layer.trainable = layer.name in ("low", "top")
    return model


@pytest.mark.parametrize("planning", [True, False])
def test_the_gradients_of_frozen_parameters_are_never_computed(monkeypatch, planning):
    config.set_planning(planning)
    with tinyconv.use_backend("numpy"):
        model = trained_around_frozen()
        model.compile("sgd", "mse")
        names = "conv2d_kernel_gradient", "normalize_backward", "conv2d_input_gradient"
        counts = counted(monkeypatch, *names)
        model.train_on_batch(RNG.standard_normal((2, 8, 8, 2)), np.ones((2, 3)))
    assert counts == dict(zip(names, (1, 0, 2), strict=True))


@pytest.mark.parametrize("planning", [True, False])
def test_the_other_gradients_are_the_same_without_them(planning, backend):
    config.set_planning(planning)
    model, x = trained_around_frozen(), RNG.standard_normal((2, 8, 8, 2))
    y, cache = model.forward(x, training=True)
    _, everything = model.backward(np.cos(y), cache)
    parameters = [weight.path for weight in model.weights if "moving" not in weight.name]
    assert sorted(everything) == sorted(parameters), "who asks a model for its gradients gets all"
    (y,), tape = model.forward_for_loss([x], True, [False])
    grads = model.backward_from_loss([np.cos(y)], tape)
    assert sorted(grads) == sorted(weight.path for weight in model.trainable_weights)
    for path, gradient in grads.items():
        np.testing.assert_allclose(gradient, everything[path], rtol=1e-9, atol=1e-11)


def test_a_training_step_uses_its_tape_up():
    model = book()
    x = RNG.standard_normal((2, 8, 8, 2))
    (y,), cache = model.forward_for_loss([x], True, [False])
    assert len(cache.tape.caches) == len(cache.tape.plan.work)
    model.backward_from_loss([np.ones_like(y)], cache)
    assert cache.tape.caches == []


def test_the_table():
    model = made(conv(activation="relu"), pool(), norm(), flat(), dense())
    model.layers[0].trainable = model.layers[-1].trainable = False
    rows = model.graph.plan(True, [False]).describe().splitlines()
    assert [" ".join(row.split()) for row in rows if "--" not in row] == [
        "layers computed as kept for the way back slope of the input of parameters",
        "conv + pool conv_block nothing - -",
        "norm BatchNormalization yes never computed yes",
        "flat Flatten yes yes -",
        "dense dense_block yes yes never computed",
    ]
    folded = made(conv(), norm()).graph.plan(False).describe()
    assert "conv + norm  conv_block (normalisation folded)  nothing" in folded


@pytest.mark.parametrize("change", [1, -1])
def test_a_slope_of_another_shape_is_told(change):
    """Kernels would write beyond the memory of a block."""

    class Wrong(layers.Layer):
        def compute_output_shape(self, shape):
            return shape

        def forward(self, x, training=False):
            return x, x.shape

        def backward(self, dy, cache):
            return np.zeros((cache[0], cache[1] + change, *cache[2:]), "float32"), {}

    for inside in (
        [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D()],
        [layers.Conv2D(8, 3, activation="relu")],
        [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU()],
        [layers.Flatten(), layers.Dense(12, activation="relu")],
    ):
        model = Sequential([Input((10, 10, 3)), *inside, Wrong(), layers.Flatten()])
        model.add(layers.Dense(2))
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match="expected dy of the output's shape"):
            model.fit(np.ones((4, 10, 10, 3)), np.ones((4, 2)), verbose=0)
