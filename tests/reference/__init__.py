"""What every operation means, in loops that can be checked with pencil and paper.

Each function here says one thing as plainly as Python can: a loop over what the
definition's sum runs over, in float64, slow and obvious. They are the judges of
all backends, so they never call the code they judge. Start with `windows.py` (how
a window slides over an image), then read `convolution.py`.
"""

from tests.reference.activations import activate, activate_backward
from tests.reference.convolution import (
    col2im,
    conv2d,
    conv2d_input_gradient,
    conv2d_kernel_gradient,
    im2col,
)
from tests.reference.losses import sigmoid_cross_entropy, softmax_cross_entropy
from tests.reference.merging import add, concatenate
from tests.reference.normalization import (
    batch_norm,
    batch_norm_backward,
    normalize,
    normalize_backward,
)
from tests.reference.optimizers import adam, rmsprop, sgd
from tests.reference.pooling import (
    average_pool,
    average_pool_backward,
    max_pool,
    max_pool_backward,
)

__all__ = [
    "activate",
    "activate_backward",
    "adam",
    "add",
    "average_pool",
    "average_pool_backward",
    "batch_norm",
    "batch_norm_backward",
    "col2im",
    "concatenate",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_kernel_gradient",
    "im2col",
    "max_pool",
    "max_pool_backward",
    "normalize",
    "normalize_backward",
    "rmsprop",
    "sgd",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
]
