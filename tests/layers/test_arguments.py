"""What layers refuse, in words that name the layer and show what came."""

import math

import numpy as np
import pytest

from tests.layers.cases import exported_layers, name_of
from tinyconv import layers
from tinyconv.layers import Layer

MERGES = [layers.Add, layers.Concatenate]
REQUIRED = {
    layers.Activation: {"activation": "relu"},
    layers.Conv2D: {"filters": 2, "kernel_size": 3},
    layers.Dense: {"units": 2},
    layers.Dropout: {"rate": 0.5},
    layers.InputLayer: {"shape": (3,)},
    layers.Rescaling: {"scale": 2.0},
    layers.Reshape: {"target_shape": (-1,)},
}
EVERY = pytest.mark.parametrize(
    "make", sorted(exported_layers(), key=lambda cls: cls.__name__), ids=name_of
)
IMAGE_LAYERS = [cls for cls in exported_layers() if cls.rank == 4]


def build(make: type[Layer], **arguments) -> Layer:
    return make(**{**REQUIRED.get(make, {}), "name": "mine", **arguments})


@EVERY
def test_unknown_arguments(make: type[Layer]):
    with pytest.raises(TypeError, match=f"{make.__name__} 'mine': unsupported argument 'colour'"):
        build(make, colour="red")
    with pytest.raises(TypeError, match=f"{make.__name__} 'mine': .*'autocast' .* as True or None"):
        build(make, autocast=False)
    build(make, autocast=True)  # changes nothing


@EVERY
@pytest.mark.parametrize("dtype", ["float16", "int32", "mixed_float16", 3])
def test_dtypes(make: type[Layer], dtype):
    with pytest.raises(ValueError, match="dtype must be one of"):
        build(make, dtype=dtype)


@EVERY
def test_an_input_needs_a_batch(make: type[Layer]):
    with pytest.raises(ValueError, match=f"{make.__name__} 'mine': expected input"):
        build(make)([1.0, 1.0] if make in MERGES else 1.0)


@EVERY
@pytest.mark.parametrize("shape", [(0, 4, 4, 2), (2, 0, 4, 2)])
def test_empty_inputs(make: type[Layer], shape: tuple[int, ...]):
    layer = build(make)
    with pytest.raises(ValueError, match=r"the input holds no values. Received: shape \(.*0"):
        layer([np.zeros(shape)] * 2 if make in MERGES else np.zeros(shape))
    assert not layer.weights, "nothing is built from an input that is refused"


@pytest.mark.parametrize("make", sorted(IMAGE_LAYERS, key=lambda cls: cls.__name__), ids=name_of)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (28, 28, 5), (1, 2, 3, 4, 5)])
def test_images_have_four_axes(make: type[Layer], shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"expected 4-D input .batch, height, width") as error:
        build(make)(np.zeros(shape))
    assert f"{make.__name__} 'mine'" in str(error.value)
    assert f"Received: shape {shape}" in str(error.value)
    assert ("add the channel axis" in str(error.value)) == (len(shape) == 3)


@pytest.mark.parametrize("make", [layers.Conv2D, layers.Dense, layers.BatchNormalization])
def test_the_number_of_channels_stays(make: type[Layer]):
    layer = build(make)
    layer(np.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"'mine': expected 3 values along the last axis") as error:
        layer(np.zeros((1, 4, 4, 2)))
    assert "Received: shape (1, 4, 4, 2)" in str(error.value)


@pytest.mark.parametrize("make", [layers.Conv2D, layers.Dense, layers.BatchNormalization])
def test_the_number_of_channels_must_be_known(make: type[Layer]):
    with pytest.raises(ValueError, match=r"'mine': .*must be.*known|of known length"):
        build(make).ensure_built((None, 4, 4, None))


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (layers.Conv2D, {"filters": 0}, "filters must be a positive integer. Received: 0"),
        (layers.Conv2D, {"filters": (2, 3)}, "filters must be a positive integer"),
        (layers.Conv2D, {"kernel_size": (3, 0)}, r"Received: \(3, 0\)"),
        (layers.Conv2D, {"strides": 1.5}, "strides must be .* Received: 1.5"),
        (layers.Conv2D, {"dilation_rate": -1}, "dilation_rate must be .* Received: -1"),
        (layers.Conv2D, {"padding": "full"}, "padding must be 'valid' or 'same'. .*'full'"),
        (layers.Conv2D, {"groups": 3}, "filters must be a multiple of groups"),
        (layers.Conv2D, {"data_format": "channels_first"}, "must be 'channels_last'"),
        (layers.Dense, {"units": True}, "units must be a positive integer. Received: True"),
        (layers.MaxPooling2D, {"pool_size": "2"}, "Received: '2'"),
        (layers.GlobalMaxPooling2D, {"data_format": "channels_first"}, "'channels_last'"),
        (layers.BatchNormalization, {"momentum": 1.1}, "momentum must be in .0, 1."),
        (layers.BatchNormalization, {"epsilon": 0}, "epsilon positive"),
        (layers.BatchNormalization, {"epsilon": math.nan}, "epsilon positive"),
        (layers.ReLU, {"negative_slope": -0.1}, "must not be negative"),
        (layers.ReLU, {"max_value": math.nan}, "must not be negative"),
        (layers.ReLU, {"threshold": math.nan}, "must not be negative"),
        (layers.Reshape, {"target_shape": (2, 0)}, r"at most one -1. Received: \(2, 0\)"),
        (layers.Reshape, {"target_shape": (-1, -1)}, "at most one -1"),
        (layers.Reshape, {"target_shape": 3}, "at most one -1. Received: 3"),
        (layers.Reshape, {"target_shape": (1.5,)}, "at most one -1"),
        (layers.ZeroPadding2D, {"padding": -1}, "padding must be .* Received: -1"),
        (layers.ZeroPadding2D, {"padding": 1.5}, "padding must be .* Received: 1.5"),
        (layers.ZeroPadding2D, {"padding": (1, 2, 3)}, r"Received: \(1, 2, 3\)"),
        (layers.InputLayer, {"shape": (0,)}, r"positive integers or None.* Received: \(0,\)"),
        (layers.InputLayer, {"shape": 3}, "Received: 3"),
        (layers.InputLayer, {"batch_size": 32}, "batch_size must be None. Received: 32"),
        (layers.Concatenate, {"axis": 0}, "an integer other than 0, the batch. Received: 0"),
        (layers.Concatenate, {"axis": 1.0}, "axis must be an integer .* Received: 1.0"),
        (layers.Concatenate, {"axis": True}, "axis must be an integer .* Received: True"),
        (layers.Concatenate, {"axis": None}, "axis must be an integer .* Received: None"),
        (layers.Dense, {"input_shape": (2.5,)}, "input_shape must be a tuple"),
    ],
)
def test_arguments(make: type[Layer], arguments, message: str):
    with pytest.raises(ValueError, match=message) as error:
        build(make, **arguments)
    assert str(error.value).startswith(make.__name__)


def test_an_axis_is_an_integer():
    with pytest.raises(TypeError, match="float"):
        layers.Softmax(axis=1.5)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv2D(2, 3, groups=2), (1, 4, 4, 3), "a multiple of groups=2"),
        (layers.Conv2D(2, 5), (1, 4, 4, 3), "5 x 5 pixels is larger than the input of 4 x 4"),
        (layers.MaxPooling2D(5), (1, 4, 4, 3), "use padding='same', a smaller window"),
        (layers.Dense(2), (3,), r"at least 2 axes .*Received: shape \(3,\)"),
        (layers.Reshape((2, 2)), (1, 5), "the 5 values .* do not fit into target_shape"),
        (layers.Reshape((2, -1)), (1, 5), "the 5 values .* do not fit into target_shape"),
        (layers.Softmax(axis=2), (1, 5), "axis 2 does not exist in an input of 2 axes"),
        (layers.Softmax(axis=-3), (1, 5), "axis -3 does not exist in an input of 2 axes"),
    ],
)
def test_inputs_that_do_not_fit(layer: Layer, shape, message: str):
    with pytest.raises(ValueError, match=message) as error:
        layer(np.zeros(shape))
    assert repr(layer) in str(error.value)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (layers.Add(), [(2, 3), (2, 4)], r"inputs of one shape .*shapes \[\(.*, 3\), \(.*, 4\)\]"),
        (layers.Add(), [(2, 3), (3, 3)], "inputs of one shape"),
        (layers.Add(), [(2, 3), (2, 3, 1)], "inputs of one shape"),
        (layers.Add(), [(2, 3), (2, 1), (2, 2)], "inputs of one shape"),
        (layers.Concatenate(), [(2, 4, 3), (2, 5, 3)], "differ along the joined axis alone"),
        (layers.Concatenate(), [(2, 3), (3, 3)], "differ along the joined axis alone"),
        (layers.Concatenate(), [(2, 3), (2, 3, 1)], "differ along the joined axis alone"),
        (layers.Concatenate(1), [(2, 3, 4), (2, 3, 5)], "differ along the joined axis alone"),
        (layers.Concatenate(2), [(2, 3), (2, 3)], "axis must be one of the 2 axes .*axis=2"),
        (layers.Concatenate(-2), [(2, 3), (2, 3)], "not the batch. Received: axis=-2"),
        (layers.Concatenate(-3), [(2, 3), (2, 3)], "not the batch. Received: axis=-3"),
    ],
)
def test_merges_that_do_not_fit(layer: Layer, shapes, message: str):
    for call in (layer, layer.forward, layer.infer):
        with pytest.raises(ValueError, match=message) as error:
            call([np.zeros(shape) for shape in shapes])
        assert repr(layer) in str(error.value)
    inputs = [layers.Input(shape[1:]) for shape in shapes]
    if len({shape[0] for shape in shapes}) == 1:  # the batch is not known before there is one
        with pytest.raises(ValueError, match=message):
            layer(inputs)
    assert not layer.built
    assert not layer.nodes


@pytest.mark.parametrize("layer", [layers.ReLU, layers.Flatten, lambda: layers.Dense(2)])
@pytest.mark.parametrize("count", [1, 2])
def test_a_layer_of_one_input_is_drawn_on_no_list(layer, count):
    layer = layer()
    with pytest.raises(ValueError, match=f"{layer!r}: expected one input. .* a list of {count}"):
        layer([layers.Input((3,)) for _ in range(count)])
    assert not layer.built
    assert not layer.nodes


@pytest.mark.parametrize("make", MERGES)
@pytest.mark.parametrize("x", [np.ones((2, 3)), 1.0, layers.Input((3,)), None])
def test_a_merge_takes_a_list(make: type[Layer], x):
    layer = build(make)
    with pytest.raises(ValueError, match=f"{make.__name__} 'mine': expected a list of inputs"):
        layer(x)
    assert not layer.nodes


@pytest.mark.parametrize("make", MERGES)
def test_a_merge_of_nothing_and_of_one(make: type[Layer]):
    layer = build(make)
    for nothing in ([], ()):
        with pytest.raises(ValueError, match=r"'mine': expected a list of inputs. Received: \[\]"):
            layer(nothing)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(layer([x]), x)
    assert layer([layers.Input((3,))]).shape == (None, 3)


@pytest.mark.parametrize("make", MERGES)
def test_a_merge_may_change_its_shapes(make: type[Layer]):
    """It has no weights that one shape would be chosen for."""
    layer = build(make)
    for channels in (3, 5):
        assert layer([np.ones((2, channels))] * 2).shape[0] == 2


def test_a_layer_must_define_its_passes():
    class Empty(Layer):
        pass

    layer = Empty(name="empty")
    with pytest.raises(TypeError, match="Empty 'empty' defines no forward"):
        layer.forward(np.zeros((1, 2)))
    with pytest.raises(TypeError, match="Empty 'empty' defines no backward"):
        layer.backward(np.zeros((1, 2)), None)


@EVERY
@pytest.mark.parametrize("value", ["no", "False", None, 2, 0.0, []], ids=repr)
def test_trainable_is_true_or_false(make: type[Layer], value):
    with pytest.raises(TypeError, match=r"'mine': trainable must be True or False\. Received: "):
        build(make, trainable=value)
    layer = build(make)
    with pytest.raises(TypeError, match="'mine': trainable must be True or False"):
        layer.trainable = value
    assert layer.trainable is True
    for fine in (np.bool_(False), 0):
        layer.trainable = fine
        assert layer.trainable is False


def test_a_dense_layer_after_images_of_unknown_size():
    images = layers.Input((None, None, 3))
    flat = layers.Flatten()(images)
    with pytest.raises(ValueError, match=r"fixed size.* or input_shape= .* GlobalAveragePooling2D"):
        layers.Dense(2)(flat)
    assert layers.Dense(2)(layers.GlobalAveragePooling2D()(images)).shape == (None, 2)
