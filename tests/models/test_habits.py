"""What Keras' users are in the habit of writing, and what they are told where it is not so here."""

import numpy as np
import pytest

from tinyconv import Input, Model, Sequential, layers


def test_functions_for_the_merges():
    a, b = Input((3,)), Input((3,))
    assert layers.add([a, b], name="sum").name == "sum"
    assert layers.concatenate([a, b]).shape == (None, 6)
    assert layers.concatenate([Input((2, 3)), Input((4, 3))], axis=1).shape == (None, 6, 3)


def test_weights_are_attributes_of_their_layer():
    dense, norm = layers.Dense(2), layers.BatchNormalization()
    Sequential([Input((3,)), dense, norm])
    dense.kernel.assign(np.ones((3, 2)))
    assert (dense.params["kernel"] == 1).all()
    assert dense.bias.shape == norm.moving_mean.shape == (2,)
    assert not norm.moving_mean.trainable
    with pytest.raises(AttributeError, match="'Dense' object has no attribute 'gamma'"):
        _ = dense.gamma


@pytest.mark.parametrize(
    "write",
    [lambda x: x + x, lambda x: 2 * x, lambda x: x / 2, lambda x: x[:, 0], lambda x: -x],
    ids=["sum", "product", "quotient", "part", "minus"],
)
def test_arithmetic_on_symbolic_tensors(write):
    with pytest.raises(TypeError, match=r"from 'photo'.*layers\.Add\(\)\(\[a, b\]\)"):
        write(Input((3, 3, 1), name="photo"))


def test_a_model_as_a_class():
    class Net(Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match=r"Net: a model is drawn here.*Model\(inputs, outputs\)"):
        Net()


def test_a_layer_with_call():
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    with pytest.raises(TypeError, match=r"'twice.*defines no forward.*call\(\) is Keras' word"):
        Twice()(np.ones((1, 2)))


def test_a_model_called_on_another_shape():
    tail = Sequential([layers.Dense(3, name="three")], name="tail")
    tail(Input((4,)))
    with pytest.raises(ValueError, match=r"Dense 'three': expected 4 values.*\(None, 5\)"):
        tail(Input((5,)))


def test_layers_that_are_not_in_a_list():
    with pytest.raises(TypeError, match="expected a list of layers"):
        Sequential(layers.Dense(4), layers.Dense(3))
