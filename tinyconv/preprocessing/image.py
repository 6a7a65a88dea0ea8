"""Image files under Keras' name: `tinyconv.preprocessing.image.load_img`."""

from tinyconv.data.images import array_to_img, img_to_array, load_img, save_img

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img"]
