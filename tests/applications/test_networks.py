"""VGG16 and ResNet50: layers, counts and summaries are Keras' own; arguments that can't be."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from keras.src.utils import naming  # noqa: E402

import tinyconv  # noqa: E402
from tinyconv.applications import VGG16, ResNet50  # noqa: E402

COUNTS = {  # with the top, without, not trainable
    "VGG16": (138_357_544, 14_714_688, 0),
    "ResNet50": (25_636_712, 23_587_712, 53_120),
}


@pytest.fixture(autouse=True)
def names_start_anew(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # Keras cuts off what the terminal can't show
    tinyconv.utils.clear_session()
    naming.reset_uids()


@pytest.fixture
def zeros(monkeypatch):
    """Kernels are not drawn: what is asked here has nothing to do with their 138 million values."""
    from keras import initializers

    monkeypatch.setattr(
        initializers.GlorotUniform, "__call__",
        lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype),
    )  # fmt: skip
    monkeypatch.setattr(
        tinyconv.initializers.GlorotUniform, "__call__",
        lambda self, shape, *more, **named: np.zeros(shape, "float32"),
    )  # fmt: skip


def summary(library, network, capsys, **arguments):
    model = getattr(library.applications, network)(weights=None, **arguments)
    capsys.readouterr()
    model.summary()
    return capsys.readouterr().out, model


@pytest.mark.usefixtures("zeros")
@pytest.mark.parametrize("network", COUNTS)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"include_top": False},
        {"include_top": False, "pooling": "avg", "input_shape": (64, 96, 1)},
        {"include_top": False, "pooling": "max", "input_shape": (None, 47, 3), "name": "mine"},
        {"classes": 3, "input_shape": (32, 64, 3), "classifier_activation": None},
    ],
    ids=["whole", "no top", "mean", "maximum", "other top"],
)
def test_summary_is_keras_own(network, arguments, capsys):
    expected, theirs = summary(keras, network, capsys, **arguments)
    printed, ours = summary(tinyconv, network, capsys, **arguments)
    assert printed == expected
    assert ours.name == theirs.name
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    found = [(w.path, w.shape, w.trainable) for w in ours.weights]
    assert found == [(w.path, w.shape, w.trainable) for w in theirs.weights]
    if arguments.get("input_shape") is None:
        with_top, without, frozen = COUNTS[network]
        assert ours.count_params() == (with_top if not arguments else without)
        assert sum(int(np.prod(w.shape)) for w in ours.non_trainable_weights) == frozen


def test_keras_modules_are_there():
    applications = tinyconv.applications
    for module, name in ((applications.vgg16, "VGG16"), (applications.resnet50, "ResNet50")):
        assert getattr(module, name) is getattr(applications, name)
        for helper in ("preprocess_input", "decode_predictions"):
            assert getattr(module, helper) is getattr(applications.imagenet_utils, helper)


def test_fine_tuning_counts():
    """The book's: blocks 4 and 5 and a dense unit are trained, blocks 1 to 3 are not."""
    base = VGG16(weights=None, include_top=False, input_shape=(160, 160, 3))
    pooling, unit = tinyconv.layers.GlobalAveragePooling2D(), tinyconv.layers.Dense(1)
    model = tinyconv.Sequential([base, pooling, unit])
    frozen = True
    for layer in base.layers:
        frozen = frozen and layer.name != "block4_conv1"
        layer.trainable = not frozen

    def count(weights):
        return sum(int(np.prod(weight.shape)) for weight in weights)

    assert count(model.trainable_weights) == 12_979_713
    assert count(model.non_trainable_weights) == 1_735_488
    base.trainable = False
    assert count(model.trainable_weights) == 513


def test_input_tensor_brings_what_comes_before_it():
    x = tinyconv.Input((32, 40, 3), name="photograph")
    y = tinyconv.layers.Rescaling(2.0)(x)
    model = VGG16(weights=None, include_top=False, input_tensor=y)
    assert model.input_names == ["photograph"]
    assert [layer.name for layer in model.layers[1:3]] == ["rescaling", "block1_conv1"]
    assert model.output_shape == (None, 1, 1, 512)
    pixels = np.random.default_rng(0).random((1, 32, 40, 3))
    inner = tinyconv.Model(model.get_layer("block1_conv1").input, model.output)
    np.testing.assert_allclose(model(pixels), inner(2 * pixels), rtol=1e-5)


@pytest.mark.parametrize(
    "given", [(64, 64, 3), (32, 40, 1), (32, 40), (1, 32, 40, 3), 32, "large"], ids=str
)
def test_an_input_shape_that_contradicts_the_input_tensor(given):
    x = tinyconv.Input((32, 40, 3))
    with pytest.raises(ValueError, match=r"VGG16: input_shape contradicts.*32, 40, 3\).*Received"):
        VGG16(weights=None, include_top=False, input_tensor=x, input_shape=given)


@pytest.mark.parametrize("given", [(32, 40, 3), [32, 40, 3], (None, None, 3), None], ids=str)
def test_an_input_shape_that_agrees_with_the_input_tensor(given):
    x = tinyconv.Input((32, 40, 3))
    model = VGG16(weights=None, include_top=False, input_tensor=x, input_shape=given)
    assert model.input_shape == (None, 32, 40, 3)


@pytest.mark.parametrize("network", COUNTS)
def test_sizes_that_are_no_multiple_of_32(network):
    theirs = getattr(keras.applications, network)(weights=None, include_top=False)
    ours = getattr(tinyconv.applications, network)(weights=None, include_top=False)
    ours.set_weights(theirs.get_weights())
    for size in ((33, 47), (50, 32)):
        x = np.random.default_rng(0).normal(0, 60, (1, *size, 3)).astype("float32")
        expected = np.asarray(theirs(x, training=False))
        features = ours.predict(x, verbose=0)
        assert features.shape == expected.shape
        np.testing.assert_allclose(features, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input_shape": (31, 32, 3)}, ValueError, r"at least 32.*input_shape=\(31, 32, 3\)"),
        ({"input_shape": (32, 16, 3), "include_top": False}, ValueError, "at least 32"),
        ({"input_shape": (64, 64)}, ValueError, r"\(height, width, channels\).*\(64, 64\)"),
        ({"input_shape": (64, 64, None)}, ValueError, r"must be \(height, width, channels\)"),
        ({"input_shape": (1, 64, 64, 3)}, ValueError, "without the batch"),
        ({"input_shape": "large"}, ValueError, "input_shape='large'"),
        ({"input_shape": (None, 64, 3)}, ValueError, "with its top .* a fixed size"),
        ({"input_tensor": np.zeros((1, 64, 64, 3))}, TypeError, "symbolic tensor.*ndarray"),
        ({"pooling": "mean", "include_top": False}, ValueError, "pooling='mean'"),
        ({"pooling": "mean", "include_top": True}, ValueError, "pooling='mean'"),
        ({"pooling": True, "include_top": True}, ValueError, "pooling=True"),
        ({"classes": 0}, ValueError, "classes must be a positive integer. Received: 0"),
        ({"classes": 2.5}, ValueError, "classes must be a positive integer"),
        ({"classifier_activation": "loud"}, ValueError, "loud"),
        ({"weights": "ImageNet"}, ValueError, "None, 'imagenet' or the path.*'ImageNet'"),
        ({"weights": 3}, ValueError, "weights must be None.*Received: 3"),
        ({"weights": "."}, ValueError, r"Received: '\.', which is a folder"),
        ({"weights": "https://x.org/w.h5"}, ValueError, r"'https://x.org/w.h5': .*download the f"),
        ({"input_shape": (3, 64, 32)}, ValueError, r"channels come last: \(64, 32, 3\)$"),
        ({"weights": [np.zeros(9)] * 9}, ValueError, r"weights must be None.*Received: \[array"),
        ({"weights": np.zeros(9)}, ValueError, r"weights must be None.*Received: array"),
        ({"weights": "imagenet", "classes": 10}, ValueError, "1000 classes.*include_top=False"),
        (
            {"weights": "imagenet", "classifier_activation": "sigmoid"},
            ValueError,
            "must be 'softmax', or None.*'sigmoid'",
        ),
        (
            {"weights": "imagenet", "input_shape": (224, 224, 1)},
            ValueError,
            "for colour images, 3 channels.*color_mode='rgb'",
        ),
        (
            {"weights": "imagenet", "input_shape": (160, 160, 3)},
            ValueError,
            r"images of shape \(224, 224, 3\).*include_top=False",
        ),
    ],
)
def test_arguments_that_cannot_be(arguments, error, message, keras_home):
    for network in (VGG16, ResNet50):
        with pytest.raises(error, match=message):
            network(**{"weights": None, **arguments})
    assert not keras_home.exists()


def test_unusual_channels_are_told():
    with pytest.warns(UserWarning, match="1 or 3 channels"):
        model = VGG16(weights=None, include_top=False, input_shape=(32, 32, 4))
    assert model.input_shape == (None, 32, 32, 4)
