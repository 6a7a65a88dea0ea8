"""The flat buffer: weights are views of it, so one update moves them all."""

import numpy as np
import pytest

import tinyconv
from tinyconv import Input, Sequential, layers, optimizers
from tinyconv.optimizers.buffer import ParameterBuffer

X, Y = np.ones((4, 3)), np.zeros((4, 5))


@pytest.fixture(params=tinyconv.available_backends(), autouse=True)
def backend(request):
    with tinyconv.use_backend(request.param):
        yield


def network():
    model = Sequential([Input((3,)), layers.Dense(2, name="a"), layers.Dense(5, name="b")])
    model.compile("adam", "mse")
    return model


def test_weights_keep_their_values_and_become_views():
    model = network()
    before = model.get_weights()
    buffer = ParameterBuffer(model.trainable_weights)
    assert buffer.paths == ["a/kernel", "a/bias", "b/kernel", "b/bias"]
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.value, old)
        assert np.shares_memory(weight.value, buffer.values)
        assert weight.layer.params[weight.name] is weight.value
    buffer.values += 1
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.value, old + 1)


def test_parameters_do_not_overlap_and_start_on_cache_lines():
    buffer = ParameterBuffer(network().trainable_weights)
    starts = [
        (view.ctypes.data - buffer.gradients.ctypes.data) // 4 for view in buffer.gradient_views
    ]
    assert starts == [0, 16, 32, 48]
    assert len(buffer.values) == len(buffer.gradients) == 64
    assert buffer.count == 6 + 2 + 10 + 5, "what lies between them is nobody's"
    for number, view in enumerate(buffer.gradient_views, start=1):
        view[...] = number
    assert sorted(set(buffer.gradients)) == [0, 1, 2, 3, 4]
    assert [(buffer.gradients == k).sum() for k in (1, 2, 3, 4)] == [6, 2, 10, 5]


def test_collect_copies_each_gradient_to_its_parameter():
    buffer = ParameterBuffer(network().trainable_weights)
    named = zip(buffer.paths, buffer.gradient_views, strict=True)
    grads = {path: np.full(view.shape, k, "float32") for k, (path, view) in enumerate(named)}
    buffer.collect({**grads, "frozen/kernel": np.ones(3)})
    for path, view in zip(buffer.paths, buffer.gradient_views, strict=True):
        np.testing.assert_array_equal(view, grads[path])
    grads["a/bias"][:] = 99
    assert 99 not in buffer.gradients


def test_gradients_that_lie_in_their_places_stay_there():
    buffer = ParameterBuffer(network().trainable_weights)
    grads = {path: np.ones(place.shape, "float32") for path, place in buffer.places.items()}
    first = buffer.paths[0]
    grads[first] = buffer.places[first]
    grads[first][...] = 7
    buffer.collect(grads)
    for path, place in buffer.places.items():
        np.testing.assert_array_equal(place, 7 if path == first else 1)


def test_holds_knows_its_own_views():
    model = network()
    buffer = ParameterBuffer(model.trainable_weights)
    assert buffer.holds(model.trainable_weights)
    assert not buffer.holds(model.trainable_weights[:2])
    model.set_weights(model.get_weights())
    assert buffer.holds(model.trainable_weights)
    bias = model.weights[1]
    bias.value = np.array(bias.value)
    assert not buffer.holds(model.trainable_weights)


def test_training_goes_on_with_a_weight_that_was_bound_anew():
    model, twin = network(), network()
    twin.set_weights(model.get_weights())
    for each in (model, twin):
        each.train_on_batch(X, Y)
    kernel = model.weights[0]
    kernel.value = np.array(kernel.value)
    for each in (model, twin):
        each.train_on_batch(X, Y)
    for weight, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_weights_set_between_steps_are_what_the_next_step_starts_from():
    model = network()
    model.compile(optimizers.SGD(0.0), "mse")
    model.train_on_batch(X, Y)
    ones = [np.ones(w.shape) for w in model.weights]
    model.set_weights(ones)
    model.train_on_batch(X, Y)
    for weight in model.get_weights():
        assert (weight == 1).all()


def test_two_models_do_not_share_a_buffer():
    model, other = network(), network()
    model.train_on_batch(X, Y)
    before = model.get_weights()
    other.train_on_batch(X, Y)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_dtypes_must_not_differ():
    model = Sequential(
        [Input((3,)), layers.Dense(2, dtype="float64"), layers.Dense(2, dtype="float32")]
    )
    with pytest.raises(ValueError, match=r"one dtype. Received: \['float32', 'float64'\]"):
        ParameterBuffer(model.trainable_weights)


def test_an_optimizer_belongs_to_the_parameters_it_was_made_for():
    optimizer = optimizers.Adam()
    first, second = network(), Sequential([Input((3,)), layers.Dense(5)])
    first.compile(optimizer, "mse")
    first.train_on_batch(X, Y)
    second.compile(optimizer, "mse")
    before = second.get_weights()
    with pytest.raises(ValueError, match=r"adam: made for other parameters.*new optimizer"):
        second.train_on_batch(X, Y)
    for weight, old in zip(second.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_an_optimizer_that_took_no_step_may_go_to_another_model():
    optimizer = optimizers.Adam()
    first, second = network(), network()
    optimizer.accept(first.trainable_weights)
    optimizer.accept(second.trainable_weights)
    optimizer.apply(ParameterBuffer(second.trainable_weights))
    optimizer.accept(second.trainable_weights)
    with pytest.raises(ValueError, match="made for other parameters"):
        optimizer.accept(first.trainable_weights)


def test_a_state_from_a_file_belongs_to_the_first_parameters_that_come():
    optimizer = optimizers.SGD()
    optimizer.iterations = 7
    optimizer.accept(network().trainable_weights)
    with pytest.raises(ValueError, match="made for other parameters"):
        optimizer.accept(network().trainable_weights)


@pytest.mark.parametrize("make", [optimizers.Adam, optimizers.SGD])
def test_an_optimizer_is_not_taken_on_by_a_model_of_the_same_shapes(make):
    optimizer = make()
    first, second = network(), network()
    first.compile(optimizer, "mse")
    first.train_on_batch(X, Y)
    second.compile(optimizer, "mse")
    before = second.get_weights()
    with pytest.raises(ValueError, match=r"made for other parameters.*new optimizer"):
        second.fit(X, Y, verbose=0)
    for weight, old in zip(second.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    first.compile(optimizer, "mse")  # the same model again
    first.train_on_batch(X, Y)
    assert optimizer.iterations == 2
