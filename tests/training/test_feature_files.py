"""Kept features in memory, in temporary files and in files for later fits."""

import errno
import gc
import os
import tempfile
import time

import numpy as np
import pytest

from tests.training.frozen_bases import CLOSE, X, Y, assert_same_training, like_vgg, trained
from tests.training.models import assert_same_weights
from tinyconv.callbacks import LambdaCallback
from tinyconv.saving.errors import FileError
from tinyconv.training import feature_file, feature_store, frozen
from tinyconv.training.feature_file import FILE_NAME

# ---- memory and disk ------------------------------------------------------------


@pytest.fixture
def temporary_files(tmp_path, monkeypatch):
    """Where temporary files are made, and a list of those that were."""
    made, original = [], tempfile.TemporaryFile

    def spy(*arguments, **named):
        if not str(named.get("prefix")).startswith("tinyconv"):  # Numba's, say
            return original(*arguments, **named)
        made.append(original(*arguments, **{**named, "dir": tmp_path}))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", spy)
    return made


@pytest.mark.parametrize("limit", [0, 500, 1000])
def test_beyond_the_limit_features_go_to_the_disk(limit, monkeypatch, temporary_files, tmp_path):
    monkeypatch.setattr(feature_store, "MEMORY_LIMIT", limit)
    sizes = []

    def look(epoch, logs):
        sizes.extend(file.seek(0, 2) for file in temporary_files)

    assert assert_same_training(like_vgg, callbacks=[LambdaCallback(on_epoch_end=look)]) == 22
    row = 2 * 2 * 5 * 4  # bytes
    assert sizes == [22 * row - limit // row * row] * 3
    assert [file.closed for file in temporary_files] == [True]
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_after_an_error(monkeypatch, temporary_files, tmp_path):
    monkeypatch.setattr(feature_store, "MEMORY_LIMIT", 100)

    def stop(batch, logs):
        if batch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(like_vgg, callbacks=[LambdaCallback(on_train_batch_end=stop)])
    assert [file.closed for file in temporary_files] == [True]
    assert not list(tmp_path.iterdir())


def test_no_features_outlive_the_training():
    gc.collect()
    trained(like_vgg)
    gc.collect()
    stores = [each for each in gc.get_objects() if type(each) is feature_store.FeatureStore]
    assert not any(len(store) for store in stores)


def test_a_full_disk_is_told_and_the_rest_computed(monkeypatch, temporary_files):
    monkeypatch.setattr(feature_store, "MEMORY_LIMIT", 8 * 80)
    plain, expected, _ = trained(like_vgg, cached=False, shuffle=False)

    def full(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.warns(
        UserWarning, match=r"no longer fit on the disk \(No space.* 8 samples"
    ) as told:
        model, history, computed = trained(like_vgg, shuffle=False)
    assert len(told) == 1
    assert computed == 22 + 14 + 14
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert_same_weights(model, plain, **CLOSE)


def test_some_of_the_disk_stays_free(monkeypatch, temporary_files):
    monkeypatch.setattr(feature_store, "MEMORY_LIMIT", 0)
    monkeypatch.setattr(feature_store, "DISK_RESERVE", 1 << 62)
    with pytest.warns(UserWarning, match="no longer fit on the disk .* are to stay free") as told:
        assert trained(like_vgg)[2] == 66
    assert len(told) == 1
    assert [file.closed for file in temporary_files] == [True]


# ---- a folder for later fits ----------------------------------------------------


def test_a_later_fit_finds_the_features(tmp_path):
    folder = tmp_path / "new" / "features"
    plain, expected, _ = trained(like_vgg, cached=False)
    for computed in (22, 0):
        model, history, count = trained(like_vgg, cached=folder)
        assert count == computed
        assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert_same_weights(model, plain, **CLOSE)
        assert [path.name for path in folder.iterdir()] == [FILE_NAME]
    assert trained(like_vgg, X[:10] + 1, Y[:10], cached=str(folder))[2] == 10
    assert trained(like_vgg, cached=folder)[2] == 0


def test_a_file_beyond_the_memory_limit(tmp_path, monkeypatch):
    trained(like_vgg, cached=tmp_path)
    monkeypatch.setattr(feature_store, "MEMORY_LIMIT", 300)
    assert trained(like_vgg, np.concatenate([X, X + 1]), np.tile(Y, 2), cached=tmp_path)[2] == 22
    assert trained(like_vgg, X + 1, cached=tmp_path)[2] == 0


def test_a_file_of_other_weights_is_told_and_replaced(tmp_path):
    def other():
        model = like_vgg()
        model.layers[0].layers[0].params["kernel"][0, 0, 0, 0] += 1
        return model

    trained(like_vgg, cached=tmp_path)
    with pytest.warns(UserWarning, match="features of other weights or layers: .* anew"):
        assert trained(other, cached=tmp_path)[2] == 22
    assert trained(other, cached=tmp_path)[2] == 0


def cut_short(content):
    return content[:-3]


def one_bit(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


def longer(content):
    return content + b"more"


def another_header(content):
    first, _, rest = content.partition(b"\n")
    return first + b"\n[" + rest


def huge_rows(content):
    return content.replace(b"[20]", b"[99999999999]")


@pytest.mark.parametrize("damage", [cut_short, one_bit, longer, another_header, huge_rows])
def test_a_damaged_file_is_told_and_replaced(damage, tmp_path):
    trained(like_vgg, cached=tmp_path)
    file = tmp_path / FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert file.read_bytes() != whole
    with pytest.warns(UserWarning, match=rf"{FILE_NAME}: it is damaged .* anew"):
        assert trained(like_vgg, cached=tmp_path)[2] == 22
    assert trained(like_vgg, cached=tmp_path)[2] == 0


def test_a_foreign_file_is_left_alone(tmp_path):
    file = tmp_path / FILE_NAME
    file.write_bytes(b"my thesis")
    model = like_vgg()
    before = model.get_weights()
    with pytest.raises(FileError, match="was not written by this version of tinyconv"):
        model.fit(X, Y, verbose=0, cache_frozen_features=tmp_path)
    assert file.read_bytes() == b"my thesis"
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_a_file_that_cannot_be_written_does_not_spoil_the_training(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tinyconv.training.feature_file.atomic_path", full)
    with pytest.warns(UserWarning, match=r"could not be kept \(No space left"):
        model, _, _ = trained(like_vgg, cached=tmp_path)
    assert_same_weights(model, trained(like_vgg, cached=False)[0], **CLOSE)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path):
    left, unfinished = (tmp_path / f".{FILE_NAME}.{n}.tmp" for n in (1234, 5678))
    for file in (left, unfinished):
        file.write_bytes(b"half of it")
    long_ago = time.time() - 1.1 * frozen.ABANDONED
    os.utime(left, (long_ago, long_ago))
    trained(like_vgg, cached=tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / FILE_NAME, unfinished])


def test_a_file_of_a_hundred_thousand_kinds(tmp_path):
    """Each would be compared with all before it."""
    kinds = ",".join(f'[["<f4",[{n}]]]' for n in range(50_000))
    path = tmp_path / FILE_NAME
    path.write_text(
        f'tinyconv frozen features 1\n{{"fingerprint": "f", "kinds": [{kinds}], "rows": 0}}\n'
    )
    store = feature_store.FeatureStore(1 << 20, tmp_path)
    begun = time.process_time()
    assert "features of 50,000 kinds" in feature_file.read_features(path, "f", store)
    assert time.process_time() - begun < 2
    assert not len(store)


def test_a_pipe_is_left_alone(tmp_path):
    if not hasattr(os, "mkfifo"):
        return  # Windows has none
    os.mkfifo(tmp_path / FILE_NAME)
    with pytest.raises(FileError, match="was not written by this version"):
        feature_file.check_file(tmp_path / FILE_NAME)
