"""Networks that others have trained on ImageNet: VGG16 and ResNet-50."""

from tinyconv.applications import imagenet_utils, resnet50, vgg16
from tinyconv.applications.resnet50 import ResNet50
from tinyconv.applications.vgg16 import VGG16

__all__ = ["VGG16", "ResNet50", "imagenet_utils", "resnet50", "vgg16"]
