"""The same batches as arrays, and from all the things that fit takes besides."""

import threading

import numpy as np

THREAD = "tinyconv-prefetch"


def cut(arrays, size):
    """Batches of equally long arrays, in order."""
    return [tuple(each[i : i + size] for each in arrays) for i in range(0, len(arrays[0]), size)]


class Anew:
    """An iterable that starts from the beginning each time; it counts how often."""

    def __init__(self, batches):
        self.batches, self.begun = batches, 0

    def __iter__(self):
        self.begun += 1
        yield from self.batches


class Items:
    """Batches by number, as a `PyDataset` has them."""

    def __init__(self, batches):
        self.batches, self.ended = batches, 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        return self.batches[number]

    def on_epoch_end(self):
        self.ended += 1


def endless(batches):
    """A generator that never ends."""
    while True:
        yield from batches


def tf_dataset(arrays, size):
    """A `tf.data.Dataset` of them."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def py_dataset(batches):
    """A real `keras.utils.PyDataset`."""
    import keras

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, number):
            return batches[number]

    return Data()


SOURCES = {
    "iterable": lambda arrays, size: Anew(cut(arrays, size)),
    "items": lambda arrays, size: Items(cut(arrays, size)),
    "tf.data": tf_dataset,
    "tf.data of unknown length": lambda arrays, size: tf_dataset(arrays, size).filter(
        lambda *_: True
    ),
    "tf tensors": lambda arrays, size: Anew(list(tf_dataset(arrays, size))),
    "PyDataset": lambda arrays, size: py_dataset(cut(arrays, size)),
}


def readers():
    """The threads that read ahead now."""
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def assert_same_training(model, other):
    """Weights and history bit for bit."""
    for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert model.history.history == other.history.history
    assert model.history.epoch == other.history.epoch
    assert model.optimizer.iterations == other.optimizer.iterations
