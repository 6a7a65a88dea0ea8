"""tinyconv: a convolutional-network engine written from scratch, with Keras' vocabulary.

Every derivative is written by hand beside its formula. Start reading at
`tinyconv/layers/conv2d.py`, then `tinyconv/backends/numpy/convolution.py`.
"""

from tinyconv import (
    activations,
    applications,
    backends,
    callbacks,
    config,
    data,
    datasets,
    explain,
    image,
    initializers,
    layers,
    losses,
    metrics,
    models,
    nn,
    optimizers,
    preprocessing,
    regularizers,
    saving,
    testing,
    utils,
)
from tinyconv.backends import available_backends, get_backend, use_backend
from tinyconv.layers import Input
from tinyconv.models import Model, Sequential
from tinyconv.testing import gradcheck
from tinyconv.threads import get_num_threads, set_num_threads
from tinyconv.training.input_record import InputScaleWarning

__version__ = "0.1.0"

__all__ = [
    "Input",
    "InputScaleWarning",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "applications",
    "available_backends",
    "backends",
    "callbacks",
    "config",
    "data",
    "datasets",
    "explain",
    "get_backend",
    "get_num_threads",
    "gradcheck",
    "image",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "nn",
    "optimizers",
    "preprocessing",
    "regularizers",
    "saving",
    "set_num_threads",
    "testing",
    "use_backend",
    "utils",
]
