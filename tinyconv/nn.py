"""`tinyconv.nn.relu` for programs that say `activation=tf.nn.relu`."""

from tinyconv.activations import elu, gelu, leaky_relu, relu, sigmoid, softmax, tanh

__all__ = ["elu", "gelu", "leaky_relu", "relu", "sigmoid", "softmax", "tanh"]
