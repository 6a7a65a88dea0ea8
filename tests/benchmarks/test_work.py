"""What is measured: that each library really does it, on a small scale and in this process."""

import math
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import inference, networks, training

KERAS_SPEAKERS = ("tinyconv", "keras")
# PyTorch is no requirement of the tests: where it is installed, it is tested as well.
TORCH = ("torch",) if find_spec("torch") else ()
LIBRARIES = (*KERAS_SPEAKERS, *TORCH)
TRAINED = ("dense", "cnn", "cats vs dogs", "vgg16 fine-tuning")
SMALL = {"dense": (28, 28, 1), "cnn": (28, 28, 1), "cats vs dogs": (48, 48, 3)}

# With all that VGG16 and ResNet-50 have, as Keras counts it, moving averages too.
COUNTS = {
    "dense": 101_770, "cnn": 421_642, "cats vs dogs": None, "vgg16": 14_714_688,
    "vgg16 fine-tuning": 14_715_201, "resnet50": 25_636_712,
}  # fmt: skip


def small(network):
    return SMALL.get(network, (32, 32, 3))


@pytest.mark.parametrize("network", TRAINED)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_turn_of_training(library, network):
    shared = {"network": network, "batch": 2, "steps": 2, "shape": small(network)}
    if library == "torch":
        turn = training.torch_fit(**shared)
    else:
        turn = training.fit(library, **shared)
    assert 0 < turn() < math.inf


@pytest.mark.parametrize("network", ["cnn", "vgg16", "resnet50"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_turn_of_inference(library, network):
    shared = {"network": network, "count": 3, "repeats": 2, "batch": 2, "shape": small(network)}
    if library == "torch":
        turn = inference.torch_predict(**shared)
    else:
        xla = False if library == "keras" else None  # it would compile for half a minute
        turn = inference.predict(library, **shared, jit_compile=xla)
    assert 0 < turn() < math.inf


@pytest.mark.parametrize(
    ("library", "setting"),
    [
        (library, setting)
        for library, known in (("tinyconv", "tinyconv"), ("keras", "tf.keras"))
        for setting in inference.SETTINGS[known].values()
    ],
)
def test_every_way_to_predict(library, setting):
    assert inference.predict(library, "dense", 4, **setting)() > 0


@pytest.mark.parametrize("setting", training.SETTINGS["tf.keras"].values())
def test_every_way_of_keras_to_train(setting):
    assert training.fit("keras", "dense", 4, 32, **setting)() > 0


@pytest.mark.parametrize("network", ["vgg16", "resnet50", "vgg16 fine-tuning", "cnn", "dense"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_all_have_the_same_network(library, network):
    shape = networks.WORK[network].shape
    if library == "torch":
        from benchmarks import torch_networks

        state = torch_networks.build(network, shape).state_dict()
        count = sum(each.numel() for name, each in state.items() if "num_batches" not in name)
    else:
        count = networks.build(library, network).count_params()
    assert count == COUNTS[network]


@pytest.mark.parametrize("library", LIBRARIES)
def test_fine_tuning_trains_blocks_4_and_5_and_the_head(library):
    if library == "torch":
        from benchmarks import torch_networks

        model = torch_networks.build("vgg16 fine-tuning", (32, 32, 3))
        free = sum(each.numel() for each in model.parameters() if each.requires_grad)
    else:
        model = networks.build(library, "vgg16 fine-tuning", (32, 32, 3))
        free = sum(math.prod(each.shape) for each in model.trainable_weights)
    assert free == 12_979_713


if TORCH:

    @pytest.mark.parametrize("network", ["cnn", "vgg16", "resnet50"])
    def test_frozen_torch_computes_the_same(network):
        import torch

        from benchmarks import torch_networks

        shape = small(network)
        model = torch_networks.build(network, shape).eval()
        pixels = torch_networks.channels_last(networks.images(shape, 2))
        frozen = inference.frozen(model, pixels)
        with torch.inference_mode():
            torch.testing.assert_close(frozen(pixels), model(pixels), rtol=1e-4, atol=1e-5)


def test_everybody_gets_the_same_data():
    pixels = networks.images((4, 4, 3), 5)
    assert (pixels.shape, pixels.dtype) == ((5, 4, 4, 3), np.float32)
    assert np.array_equal(pixels, networks.images((4, 4, 3), 5))
    assert set(networks.labels(1, 100)) == {0, 1}
    assert set(networks.labels(10, 1000)) == set(range(10))


def test_turns_of_several_batches_follow_each_other():
    turns = training.in_turn([lambda: 1.0, lambda: 2.0])
    assert [turns() for _ in range(5)] == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("result", [np.full((2, 3), np.nan), np.zeros((1, 3))])
def test_a_turn_checks_what_it_has_computed(result):
    turn = inference.repeated(lambda x: result, np.zeros((2, 3)), 1, "cnn")
    with pytest.raises(FloatingPointError, match="cnn: not a finite result"):
        turn()
