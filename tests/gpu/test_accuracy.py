"""The book's CNN learns Fashion-MNIST as well as on a CPU (92 % in benchmarks/results)."""

from benchmarks.accuracy import trainer


def test_the_cnn_learns_fashion_mnist(gpu):
    accuracy = trainer("tinyconv", "cnn", epochs=10)()
    assert accuracy > 0.91
