"""The layers, under Keras' names and its short aliases."""

from tinyconv.layers.activation import Activation, ReLU, Softmax
from tinyconv.layers.base import Cache, Layer
from tinyconv.layers.batch_normalization import BatchNormalization
from tinyconv.layers.conv2d import Conv2D
from tinyconv.layers.dense import Dense
from tinyconv.layers.dropout import Dropout
from tinyconv.layers.global_pooling import GlobalAveragePooling2D, GlobalMaxPooling2D
from tinyconv.layers.input import Input, InputLayer
from tinyconv.layers.merging import Add, Concatenate, add, concatenate
from tinyconv.layers.pooling import AveragePooling2D, MaxPooling2D
from tinyconv.layers.rescaling import Rescaling
from tinyconv.layers.reshaping import Flatten, Reshape, ZeroPadding2D

Convolution2D = Conv2D
MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D

__all__ = [
    "Activation",
    "Add",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Cache",
    "Concatenate",
    "Conv2D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "ZeroPadding2D",
    "add",
    "concatenate",
]
