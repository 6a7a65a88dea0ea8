"""Pictures of what a network has learnt, and tables of how it computes.

A function that draws returns a matplotlib Figure: `figure.savefig("picture.png")` writes
it to a file, and a notebook shows it by itself once `%matplotlib inline` is on.
matplotlib's pyplot is never touched.
"""

from tinyconv.explain.activations import LayerActivations, activation_values, activations
from tinyconv.explain.algorithms import Algorithms, algorithms
from tinyconv.explain.batchnorm import Normalized, batchnorm, normalized
from tinyconv.explain.col2im import PixelGradient, col2im, pixel_gradient
from tinyconv.explain.confusion import confusion, confusion_matrix
from tinyconv.explain.curves import training_curves
from tinyconv.explain.dropout import Dropped, dropout, dropped
from tinyconv.explain.feature_maps import LayerValues, feature_maps, layer_values
from tinyconv.explain.filters import FilterValues, filter_values, filters
from tinyconv.explain.gradcam import GradCam, gradcam, gradcam_values
from tinyconv.explain.gradients import (
    LayerSlope,
    LossGradients,
    ParameterGradient,
    gradient_values,
    gradients,
)
from tinyconv.explain.im2col import PatchProduct, im2col, patch_product
from tinyconv.explain.model_plot import plot_model
from tinyconv.explain.optimizer_path import OptimizerPath, optimizer_path, optimizer_paths
from tinyconv.explain.pooling import Pooled, pooled, pooling
from tinyconv.explain.predictions import predictions
from tinyconv.explain.receptive_field import (
    Reach,
    ReceptiveField,
    receptive_field,
    receptive_field_of,
)
from tinyconv.explain.report import image_for, report
from tinyconv.explain.saliency import Saliency, saliency, saliency_values
from tinyconv.explain.scores import layer_slopes
from tinyconv.explain.surfaces import Surface
from tinyconv.explain.trace import Trace, TraceRow, trace

__all__ = [
    "Algorithms", "Dropped", "FilterValues", "GradCam", "LayerActivations", "LayerSlope",
    "LayerValues", "LossGradients", "Normalized", "OptimizerPath", "ParameterGradient",
    "PatchProduct", "PixelGradient", "Pooled", "Reach", "ReceptiveField", "Saliency", "Surface",
    "Trace", "TraceRow", "activation_values", "activations", "algorithms", "batchnorm",
    "col2im", "confusion", "confusion_matrix", "dropout", "dropped", "feature_maps",
    "filter_values", "filters", "gradcam", "gradcam_values", "gradient_values", "gradients",
    "im2col", "image_for", "layer_slopes", "layer_values", "normalized", "optimizer_path",
    "optimizer_paths", "patch_product", "pixel_gradient", "plot_model", "pooled", "pooling",
    "predictions", "receptive_field", "receptive_field_of", "report", "saliency",
    "saliency_values", "trace", "training_curves",
]  # fmt: skip
