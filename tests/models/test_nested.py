"""A model is a layer: nesting, freezing, and the way back through all of it."""

import numpy as np
import pytest

import tinyconv
from tinyconv import Input, Sequential, layers
from tinyconv.testing import assert_gradients

RNG = np.random.default_rng(1)


def nested(dtype="float32"):
    """Outer(Dense, middle(Dense, innermost(Dense)), Dense): every kernel has another shape."""

    def dense(units, name):
        return layers.Dense(units, activation="tanh", name=name, dtype=dtype)

    innermost = Sequential([dense(5, "deep")], name="innermost")
    middle = Sequential([dense(4, "entry"), innermost], name="middle")
    return Sequential([Input((2,)), dense(3, "first"), middle, dense(6, "last")], name="outer")


PATHS = {
    "first/kernel": (2, 3), "first/bias": (3,),
    "middle/entry/kernel": (3, 4), "middle/entry/bias": (4,),
    "middle/innermost/deep/kernel": (4, 5), "middle/innermost/deep/bias": (5,),
    "last/kernel": (5, 6), "last/bias": (6,),
}  # fmt: skip


def test_nested_weights_and_gradients_have_the_same_paths():
    model = nested()
    assert {w.path: w.shape for w in model.weights} == PATHS
    assert [w.shape for w in model.weights] == list(PATHS.values())
    y, cache = model.forward(RNG.standard_normal((7, 2)), training=True)
    dx, grads = model.backward(np.ones_like(y), cache)
    assert {key: grad.shape for key, grad in grads.items()} == PATHS
    assert dx.shape == (7, 2)
    assert model.count_params() == sum(int(np.prod(shape)) for shape in PATHS.values())


def test_variables_reach_into_the_nested_layers():
    model = nested()
    deep = model.get_layer("middle").get_layer("innermost").get_layer("deep")
    variable = next(w for w in model.variables if w.path == "middle/innermost/deep/bias")
    variable.assign(np.arange(5))
    np.testing.assert_array_equal(deep.params["bias"], np.arange(5))
    weights = [np.full(shape, k) for k, shape in enumerate(PATHS.values())]
    model.set_weights(weights)
    assert (deep.params["kernel"] == 4).all()


def test_set_weights_changes_nothing_unless_all_fit():
    model = nested()
    before = model.get_weights()
    wrong = [w + 1 for w in before]
    wrong[4] = wrong[4].T
    message = r"middle/innermost/deep/kernel: expected shape \(4, 5\). Received: \(5, 4\)"
    with pytest.raises(ValueError, match=message):
        model.set_weights(wrong)
    with pytest.raises(ValueError, match=r"'outer': expected 8 weights. Received: 7"):
        model.set_weights(wrong[1:])
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_training_moves_nested_weights_as_a_flat_model_would():
    model = nested()
    flat = Sequential(
        [Input((2,)), *(layers.Dense(units, activation="tanh") for units in (3, 4, 5, 6))]
    )
    flat.set_weights(model.get_weights())
    x, y = RNG.standard_normal((20, 2)), RNG.standard_normal((20, 6))
    for each in (model, flat):
        each.compile("adam", "mse")
        each.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0)
    for weight, other in zip(model.get_weights(), flat.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def freeze_first(model):
    model.layers[0].trainable = False


def freeze_middle(model):
    model.get_layer("middle").trainable = False


def freeze_all(model):
    model.trainable = False


def freeze_all_but_one(model):
    model.trainable = False
    model.trainable = True
    freeze_first(model)
    freeze_middle(model)
    model.get_layer("middle").get_layer("innermost").layers[0].trainable = True


@pytest.mark.parametrize(
    ("freeze", "trained", "first"),
    [
        (lambda model: None, "first middle/entry middle/innermost/deep last", 0),
        (freeze_first, "middle/entry middle/innermost/deep last", 1),
        (freeze_middle, "first last", 0),
        (freeze_all_but_one, "middle/innermost/deep last", 2),
        (freeze_all, "", 4),
    ],
    ids=["nothing", "first", "middle", "all but one", "all"],
)
def test_freezing(freeze, trained, first):
    model = nested()
    freeze(model)
    expected = [f"{path}/{key}" for path in trained.split() for key in ("kernel", "bias")]
    assert [w.path for w in model.trainable_weights] == expected
    assert [w.path for w in model.trainable_variables] == expected
    frozen = [path for path in PATHS if path not in expected]
    assert [w.path for w in model.non_trainable_weights] == frozen
    assert [w.path for w in model.non_trainable_variables] == frozen
    assert len(model.variables) == 8

    x = RNG.standard_normal((4, 2))
    (y,), cache = model.forward_for_loss([x], training=True, logits=[False])
    kept = [entry is not None for entry in cache.tape.caches]
    assert kept == [position >= first for position in range(4)]  # the nested ones too
    grads = model.backward_from_loss([np.ones_like(y)], cache)
    assert set(expected) <= set(grads)
    if not trained:
        assert grads == {}


def test_a_frozen_model_stays_frozen_whatever_is_added_or_unfrozen_inside_it():
    # As in Keras, model.trainable = False rules over what its layers say.
    made_so = Sequential([Input((2,)), layers.Dense(3)], trainable=False)
    later = Sequential([Input((2,)), layers.Dense(3)])
    later.trainable = False
    later.layers[0].trainable = True
    later.add(layers.Dense(2))
    for model, count in ((made_so, 2), (later, 4)):
        assert model.trainable_weights == []
        assert len(model.non_trainable_weights) == count
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match="no layer is trainable"):
            model.fit(np.zeros((4, 2)), np.zeros((4, model.output_shape[-1])), verbose=0)


def test_backward_stops_at_the_first_trainable_layer():
    model = nested()
    freeze_first(model)
    model.compile("sgd", "mse")
    visited = []
    for layer in (model.layers[0], model.get_layer("last")):
        for method in ("backward", "backward_parameters", "backward_input"):
            original = getattr(layer, method)

            def spy(dy, cache, name=layer.name, original=original):
                visited.append(name)
                return original(dy, cache)

            setattr(layer, method, spy)
    before = model.get_weights()
    model.fit(RNG.standard_normal((4, 2)), np.ones((4, 6)), verbose=0)
    assert visited == ["last"]
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [False] * 2 + [True] * 6


def test_inference_keeps_no_cache():
    model = nested()
    _, cache = model.forward_for_loss([np.zeros((1, 2))], training=False, logits=[False])
    assert set(vars(cache)) == {"owner", "shape"}


def test_backward_wants_the_models_own_cache():
    model, other = nested(), nested()
    x = np.zeros((1, 2))
    y, foreign = other.forward(x, training=True)
    with pytest.raises(ValueError, match=r"Sequential 'outer': backward needs the cache that its"):
        model.backward(y, foreign)
    _, own = model.forward(x, training=True)
    with pytest.raises(ValueError, match=r"'outer': expected dy of .*\(1, 6\).*Received: \(1, 5\)"):
        model.backward(y[:, :5], own)


def images_network(dtype="float64"):
    block = Sequential(
        [
            layers.Conv2D(3, 3, padding="same", dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.ReLU(dtype=dtype),
        ],
        name="block",
    )
    return Sequential(
        [
            Input((6, 5, 2)),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="elu", dtype=dtype),
            block,
            layers.Dropout(0.25, dtype=dtype),
            layers.AveragePooling2D(dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(4, activation="softmax", dtype=dtype),
        ]
    )


@pytest.mark.parametrize("name", tinyconv.available_backends())
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "shape"), [(images_network, (3, 6, 5, 2)), (lambda: nested("float64"), (4, 2))],
    ids=["images", "nested"],
)  # fmt: skip
def test_gradients_of_whole_models(make, shape, training, name):
    with tinyconv.use_backend(name):
        assert_gradients(make(), RNG.standard_normal(shape), training=training)


def test_the_activation_that_ends_an_inner_model_ends_the_outer_one():
    end = Sequential([layers.Dense(3, activation="softmax")])
    model = Sequential([Input((4,)), layers.Dense(5), end])
    assert model.final_activation == "softmax"
    assert model.final_activations == model.graph.final_activations == ["softmax"]


def test_trainable_of_a_model_is_true_or_false():
    model = Sequential([Input((3,)), layers.Dense(2)], name="outer")
    with pytest.raises(TypeError, match=r"Sequential 'outer': trainable must be .* Received: 'no'"):
        model.trainable = "no"
    assert model.trainable
    assert model.layers[0].trainable
