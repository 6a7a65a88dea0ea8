"""Weights alone from `.h5` files of the Keras in TensorFlow 2: in their order, or by name."""

import re

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.saving.old_keras import LAYERS, SMALL, X, expected, small, values, write  # noqa: E402
from tinyconv.saving import load_weights  # noqa: E402


@pytest.mark.parametrize("whole", [False, True], ids=["weights", "whole model"])
def test_weights_alone(whole, tmp_path):
    config = {"class_name": "Sequential", "config": LAYERS}
    file = write(tmp_path / "w.h5", SMALL, config if whole else None)
    model = small()
    load_weights(model, file)
    np.testing.assert_allclose(model.predict_on_batch(X), expected(X), rtol=1e-5)


def test_by_name_reads_the_layers_of_the_same_names(tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    layers = tinyconv.layers
    model = tinyconv.Sequential(
        [tinyconv.Input((4,)), layers.Dense(3, name="first"), layers.Dense(5, name="new")]
    )
    new = model.layers[1].get_weights()
    load_weights(model, file, by_name=True)
    np.testing.assert_array_equal(model.get_weights()[0], SMALL["first"][0][1])
    assert all(
        np.array_equal(a, b) for a, b in zip(model.layers[1].get_weights(), new, strict=True)
    )
    with pytest.raises(ValueError, match=r"w\.h5: Dense 'new': expected kernel of shape \(3, 5\)"):
        load_weights(model, file)


def test_by_name_without_a_name_in_common(tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    layers = tinyconv.layers
    model = tinyconv.Sequential([tinyconv.Input((4,)), layers.Dense(3, name="mine")], name="m")
    before = model.get_weights()
    message = (
        r"w\.h5: nothing is read: of the 1 layers with weights of Sequential 'm' \(mine\) none has "
        r"the name of one of the 2 in the file \(first, second\)$"
    )
    with pytest.warns(UserWarning, match=message) as told:
        model.load_weights(file, by_name=True)
    assert told[0].filename == __file__
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("deep", [False, True])
def test_by_name_where_the_names_are_inside_a_model_inside(deep, tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    inner = small()
    inner.name = "inner"
    between = [tinyconv.Sequential([inner], name="middle")] if deep else [inner]
    model = tinyconv.Sequential([*between, tinyconv.layers.Dense(3, name="mine")])
    way = "model.get_layer('middle').get_layer('inner')" if deep else "model.get_layer('inner')"
    hint = rf"\(first, second\) are inside Sequential 'inner': call {re.escape(way)}\.load_weights"
    with pytest.warns(UserWarning, match=f"nothing is read: .*{hint}"):
        model.load_weights(file, by_name=True)
    eval(way).load_weights(file, by_name=True)
    np.testing.assert_array_equal(inner.get_weights()[0], SMALL["first"][0][1])


def test_by_name_is_advised_where_a_name_matches(tmp_path):
    file, layers = write(tmp_path / "w.h5", SMALL), tinyconv.layers
    for names, advised in ((["first"], True), (["mine"], False)):
        parts = [layers.Dense(3, name=name) for name in names]
        model = tinyconv.Sequential([tinyconv.Input((4,)), *parts])
        with pytest.raises(ValueError, match="1 layers with weights, the file holds 2") as told:
            model.load_weights(file)
        assert ("by_name=True" in str(told.value)) == advised


def test_by_name_and_skip_mismatch(tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    layers = tinyconv.layers
    model = tinyconv.Sequential(
        [tinyconv.Input((9,)), layers.Dense(3, name="first"), layers.Dense(2, name="second")]
    )
    before = model.get_weights()
    message = r"w\.h5: Dense 'first': expected kernel of shape \(9, 3\)\. Received: \(4, 3\)"
    with pytest.raises(ValueError, match=message):
        load_weights(model, file, by_name=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    with pytest.warns(UserWarning, match="skipped: Dense 'first': expected kernel"):
        load_weights(model, file, by_name=True, skip_mismatch=True)
    after = model.get_weights()
    assert np.array_equal(after[0], before[0])
    assert np.array_equal(after[1], SMALL["first"][1][1])  # the bias fits, as in Keras
    assert np.array_equal(after[2], SMALL["second"][0][1])


def test_too_few_layers_are_told_with_a_hint(tmp_path):
    file = write(tmp_path / "w.h5", {"first": SMALL["first"]})
    with pytest.raises(
        ValueError, match=r"w\.h5: .* has 2 layers with weights.*holds 1\. With by_n"
    ):
        load_weights(small(), file)


@pytest.mark.parametrize("written_frozen", [False, True])
def test_the_order_of_a_nested_batch_normalization_follows_its_names(written_frozen, tmp_path):
    """What is frozen decides the order in the file, and need not be what is frozen now."""
    kernel, gamma, beta, mean, variance, after = (
        values(2, 3), *(values(3) + 1 for _ in range(4)), values(3, 2)
    )  # fmt: skip
    trained = [("d/kernel:0", kernel), ("bn/gamma:0", gamma), ("bn/beta:0", beta)]
    moving = [("bn/moving_mean:0", mean), ("bn/moving_variance:0", variance)]
    last = [("e/kernel:0", after)]
    pairs = trained + (moving + last if written_frozen else last + moving)
    file = write(tmp_path / "w.h5", {"base": pairs})
    layers = tinyconv.layers
    base = tinyconv.Sequential(
        [
            layers.Dense(3, use_bias=False),
            layers.BatchNormalization(),
            layers.Dense(2, use_bias=False),
        ],
        name="base",
    )
    model = tinyconv.Sequential([tinyconv.Input((2,)), base])
    for frozen in (False, True):
        base.trainable = not frozen
        load_weights(model, file)
        given = [kernel, gamma, beta, mean, variance, after]
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), given, strict=True))


def test_weights_of_a_nested_model_go_by_their_names(tmp_path):
    """A file in which the layers within a nested model stand in another order."""
    x = tinyconv.Input((4,))
    inner = tinyconv.Sequential(
        [tinyconv.Input((4,)), *(tinyconv.layers.Dense(4, name=name) for name in "ab")], name="i"
    )
    model = tinyconv.Model(x, inner(x))
    model.save(tmp_path / "m.h5")
    expected = model.get_weights()
    with h5py.File(tmp_path / "m.h5", "r+") as h5:
        group = h5["model_weights/i"]
        names = list(group.attrs["weight_names"])
        group.attrs["weight_names"] = names[2:] + names[:2]
    model.set_weights([0 * weight for weight in expected])
    model.load_weights(tmp_path / "m.h5")
    for weight, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)
