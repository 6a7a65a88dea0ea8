"""Graphs to configurations and back, in the order of Keras, and what is refused."""

import copy
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings

import tinyconv
from parity.cases.graph import Graph
from parity.cases.random_graphs import graphs
from tests.models.graphs import add, dense, inputs_of, join, randomize, siamese, two_by_two, value
from tinyconv import Input, Model, Sequential, layers
from tinyconv.models import Functional


class Here:
    """The side of the parity suite that draws with tinyconv."""

    library = tinyconv


def outputs_of(model, training=False):
    x = [array.astype("float32") for array in inputs_of(model, 3)]
    y = model(x if len(x) > 1 else x[0], training=training)
    return y if isinstance(y, list) else [y]


def assert_twins(model, twin):
    assert type(twin) is type(model)
    assert twin.get_config() == model.get_config()
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert [(w.path, w.shape, w.trainable) for w in twin.weights] == [
        (w.path, w.shape, w.trainable) for w in model.weights
    ]
    twin.set_weights(model.get_weights())
    for y, wanted in zip(outputs_of(twin), outputs_of(model), strict=True):
        np.testing.assert_array_equal(y, wanted)


@given(graphs())
@settings(max_examples=40)
def test_random_graphs_travel(graph: Graph):
    model = graph.build(Here, "float32")
    config = json.loads(json.dumps(model.get_config()))
    untouched = copy.deepcopy(config)
    twin = Functional.from_config(config)
    assert config == untouched
    assert_twins(model, twin)
    assert_twins(model, Model.from_config(twin.get_config()))


@given(graphs())
@settings(max_examples=25)
def test_layers_and_weights_in_the_order_of_keras(graph: Graph):
    keras = pytest.importorskip("keras")
    ours, theirs = graph.draw(tinyconv, "l"), graph.draw(keras, "l")
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    for mine, other in (
        (ours.weights, theirs.weights),
        (ours.trainable_weights, theirs.trainable_weights),
        (ours.non_trainable_weights, theirs.non_trainable_weights),
    ):
        names = [w.path.split("/")[-2:] for w in mine if "seed" not in w.path]
        assert names == [w.path.split("/")[-2:] for w in other if "seed" not in w.path]
    assert ours.count_params() == theirs.count_params()


def test_modes_and_lists_travel():
    x = Input((3,))
    drop = layers.Dropout(0.5)
    model = Model(x, [layers.Add()([drop(x, training=True)]), drop(x)])
    twin = Model.from_config(json.loads(json.dumps(model.get_config())))
    modes = [step.training for step in model.graph.steps]
    assert [step.training for step in twin.graph.steps] == modes
    assert sorted(modes, key=str) == [None, None, True]
    assert twin.get_config() == model.get_config()


def test_a_part_of_a_model_travels():
    whole = two_by_two("float32")
    assert_twins(
        part := Model(whole.inputs, whole.get_layer("both").output),
        Model.from_config(part.get_config()),
    )
    tail = Model(whole.get_layer("both").output, whole.get_layer("kind").output)
    assert_twins(tail, Model.from_config(tail.get_config()))


class Doubled(layers.Rescaling):
    """A layer of one's own."""


def test_custom_layers_inside_models_inside_models():
    x, z = Input((3,)), Input((3,))
    inner = Sequential([x, Model(z, Doubled(2.0)(z))])
    y = Input((3,))
    model = Model(y, inner(y))
    with pytest.raises(ValueError, match=r"unknown layer class 'Doubled'.*custom_objects="):
        Model.from_config(model.get_config())
    assert_twins(model, Model.from_config(model.get_config(), {"Doubled": Doubled}))


# ---- what is refused when drawing -------------------------------------------------


def test_an_input_that_is_not_listed():
    a, b = value(3), Input((3,), name="forgotten")
    with pytest.raises(ValueError, match=r"'mine': the graph is disconnected.*'forgotten'.*not am"):
        Model(a, add(a, b), name="mine")


def test_an_inner_value_of_another_graph():
    model, x = siamese(), value(3)
    with pytest.raises(ValueError, match=r"disconnected.*InputLayer 'a'.*not among the inputs"):
        Model(x, add(model.get_layer("add").output, dense(4)(x)))


def test_a_circle():
    x = value(3)
    first, second = dense(3, "first"), dense(3, "second")
    y = second(first(x))
    first.nodes[0].inputs[0] = y
    with pytest.raises(ValueError, match=r"round in a circle: (first -> second|second -> first)"):
        Model(x, y)


@pytest.mark.parametrize("given", [np.ones((2, 3)), None, "x", 3.0, layers.Dense(2)])
def test_what_is_not_symbolic(given):
    x = value(3)
    with pytest.raises(TypeError, match="'mine': outputs must be symbolic tensors"):
        Model(x, given, name="mine")
    with pytest.raises(TypeError, match="'mine': inputs must be symbolic tensors"):
        Model(given, dense(2)(x), name="mine")


def test_dicts_of_inputs_and_outputs():
    x = Input((4,), name="x")
    y = layers.Dense(2)(x)
    with pytest.raises(ValueError, match=r"a dict of inputs must have .* \['x'\].*\['other'\]"):
        Model({"other": x}, y, name="mine")
    with pytest.raises(TypeError, match=r"outputs must be a list\. Received: a dict of \['y'\]"):
        Model(x, {"y": y}, name="mine")
    assert Model({"x": x}, y).predict({"x": np.ones((3, 4))}, verbose=0).shape == (3, 2)


@pytest.mark.parametrize("mixed", [[0, 1], [1, 0]])
def test_arrays_and_symbolic_tensors_do_not_mix(mixed):
    pair = [value(3), np.ones((2, 3))]
    layer = layers.Add(name="sum", dtype="float64")
    with pytest.raises(TypeError, match=r"Add 'sum': called on symbolic tensors and something els"):
        layer([pair[place] for place in mixed])
    assert not layer.nodes


def test_a_symbolic_tensor_holds_no_numbers():
    x = value(3)
    with pytest.raises(TypeError, match="holds no numbers: it stands for a value while"):
        np.asarray(x)
    model = siamese()
    with pytest.raises(TypeError, match="holds no numbers"):
        model.predict([x, np.ones((1, 3))], verbose=0)


def test_inputs_twice_and_none():
    x = value(3)
    y = dense(2)(x)
    for inputs in ([x, x], []):
        with pytest.raises(ValueError, match="'mine': inputs must be one or more different"):
            Model(inputs, y, name="mine")
    with pytest.raises(ValueError, match="'mine': outputs must be one or more"):
        Model(x, [], name="mine")


def test_two_layers_of_one_name():
    x = value(3)
    with pytest.raises(ValueError, match="'mine': two layers are called 'same'"):
        Model(x, dense(2, "same")(dense(3, "same")(x)), name="mine")


def test_shapes_that_do_not_fit_while_drawing():
    x = value(3)
    layer = dense(2, "narrow")
    layer(value(4))
    with pytest.raises(ValueError, match=r"'narrow': expected 4 values .*shape \(None, 3\)"):
        layer(x)
    with pytest.raises(ValueError, match=r"Add 'add.*shapes \[\(None, 3\), \(None, 4\)\]"):
        add(x, value(4))
    with pytest.raises(ValueError, match=r"Concatenate 'conc.*\[\(None, 3\), \(None, 2, 3\)\]"):
        join(x, value(2, 3))
    inner = siamese()
    with pytest.raises(ValueError, match=r"'siamese': expected input 'b' of shape \(None, 3\)"):
        inner([x, value(4)])
    with pytest.raises(ValueError, match=r"'siamese': expected 2 inputs"):
        inner(x)


# ---- what is refused when computing -----------------------------------------------

A, B = np.ones((4, 3)), np.ones((4, 3))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (A, r"'siamese': x must be a list of 2 arrays, or a dict, for \['a', 'b'\]. Received: nda"),
        ([A], "'siamese': x must be a list of 2 arrays.* Received: 1"),
        ([A, B, B], "'siamese': x must be a list of 2 arrays.* Received: 3"),
        ({"a": A}, r"'siamese': x must have the keys \['a', 'b'\]. Received: \['a'\]"),
        ({"a": A, "c": B}, r"must have the keys \['a', 'b'\]. Received: \['a', 'c'\]"),
        ([A, np.ones((4, 2))], r"'siamese': expected input 'b' of shape \(None, 3\).*\(4, 2\)"),
        ([np.ones((4, 3, 1)), B], r"'siamese': expected input 'a' of shape \(None, 3\)"),
        ([A, np.ones((5, 3))], r"'siamese': the inputs must have the same length.*4\D+5"),
    ],
)
def test_inputs_that_do_not_fit(x, message):
    model = siamese()
    for call in (model, model.forward, model.predict_on_batch):
        with pytest.raises(ValueError, match=message):
            call(x)


def test_a_slope_that_does_not_fit():
    model = two_by_two()
    y, cache = model.forward(inputs_of(model), training=True)
    with pytest.raises(ValueError, match=r"'two_by_two': expected dy of the outputs' shapes"):
        model.backward([y[0], y[1][:2]], cache)
    with pytest.raises(ValueError, match=r"'two_by_two': expected dy of the outputs' shapes"):
        model.backward([y[0]], cache)


# ---- configurations that lie ------------------------------------------------------


def tampered(change):
    config = siamese().get_config()
    entries = {entry["name"]: entry for entry in config["layers"]}
    change(config, entries)
    return config


def first_call(entries, name):
    return entries[name]["inbound_nodes"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, e: first_call(e, "add").update(inputs=[["top", 0, 0]]), "circle.*add, top"),
        (lambda c, e: first_call(e, "top").update(inputs=[["top", 0, 0]]), "circle.*top"),
        (lambda c, e: first_call(e, "top").update(inputs=[["lost", 0, 0]]), "not there: top"),
        (lambda c, e: first_call(e, "top").update(inputs=[["add", 1, 0]]), "not there: top"),
        (lambda c, e: first_call(e, "top").update(inputs=[["add", 0, 1]]), "not there: top"),
        (lambda c, e: c.update(output_layers=[["lost", 0, 0]]), "no output .*'lost'"),
        (lambda c, e: c.update(input_layers=[["a", 0, 0]]), "disconnected.*'b'"),
        (lambda c, e: e["top"].update(class_name="Dens"), "class 'Dens'. Did you mean 'Dense'"),
        (lambda c, e: e["top"].update(class_name="Lambda"), "Lambda layer is code inside a file"),
        (lambda c, e: e["b"]["config"].update(shape=(4,)), r"'shared': expected 3 values"),
    ],
)  # fmt: skip
def test_configurations_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        Model.from_config(tampered(change))


def test_a_configuration_makes_new_layers():
    model = randomize(siamese())
    twin = Model.from_config(model.get_config())
    assert not {id(layer) for layer in model.layers} & {id(layer) for layer in twin.layers}
    assert not np.array_equal(twin.get_weights()[0], model.get_weights()[0])


def test_a_long_chain_in_any_order_is_drawn_soon():
    """Backwards each layer waits for the one behind it."""
    x = Input((2,))
    y = x
    for number in range(400):
        y = layers.ReLU(name=f"r{number}")(y)
    config = Model(x, y, name="chain").get_config()
    straight = Functional.from_config(copy.deepcopy(config))
    config["layers"].reverse()
    begun = time.process_time()
    backwards = Functional.from_config(config)
    assert time.process_time() - begun < 2
    assert backwards.get_config() == straight.get_config()


def test_calls_wait_for_those_before_them():
    x, shared = Input((2,)), layers.Dense(2, name="shared")
    config = Model(x, shared(shared(x))).get_config()
    entry = next(each for each in config["layers"] if each["name"] == "shared")
    first, second = entry["inbound_nodes"]
    second["inputs"] = [["shared", 1, 0]]
    with pytest.raises(ValueError, match=r"circle, .*: shared can't be connected"):
        Functional.from_config(config)
    entry["inbound_nodes"] = [second, first]
    second["inputs"] = [[x.name, 0, 0]]
    first["inputs"] = [["shared", 0, 0]]
    assert len(Functional.from_config(config).calls) == 2


def test_a_configuration_with_two_layers_of_one_name():
    config = dense_chain().get_config()
    config["layers"].append(copy.deepcopy(config["layers"][-1]))
    with pytest.raises(ValueError, match="two layers of one name"):
        Functional.from_config(config)


def dense_chain():
    x = Input((2,))
    return Model(x, layers.Dense(2, name="one")(x))
