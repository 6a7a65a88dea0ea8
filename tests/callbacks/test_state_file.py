"""State files: what goes in comes out, and nothing else is believed."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinyconv.callbacks.state_file import read_state, write_state
from tinyconv.saving.errors import FileError

PLAIN = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats() | st.text()
ARRAYS = hnp.arrays(
    st.sampled_from(["float32", "float64", "int64", "uint8", "bool"]),
    hnp.array_shapes(min_dims=0, min_side=0),
)
TREES = st.dictionaries(
    st.text(),
    st.recursive(PLAIN | ARRAYS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
)


def same(left, right):
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray):
        bits = left.tobytes() == right.tobytes()
        return (left.dtype, left.shape) == (right.dtype, right.shape) and bits
    return type(left) is type(right) and (left == right or left != left)


@settings(deadline=None, max_examples=50)
@given(TREES)
def test_what_goes_in_comes_out(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("state") / "state.npz"
    write_state(path, tree)
    assert same(tree, read_state(path))


def test_keys_that_look_like_the_file_s_own(tmp_path):
    tree = {"<array>": 0, "<": {"<<array>": np.arange(3), "scalar": True}}
    write_state(tmp_path / "state", tree)
    assert same(tree, read_state(tmp_path / "state"))


def test_numbers_of_numpy_keep_their_kind(tmp_path):
    tree = {"a": np.float32(0.1), "b": np.int64(3), "c": (1, 2), "d": np.float64(0.1)}
    write_state(tmp_path / "state", tree)
    found = read_state(tmp_path / "state")
    assert found == {"a": np.float32(0.1), "b": 3, "c": [1, 2], "d": 0.1}
    assert found["a"].dtype == "float32"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: 2}, r"state\['x'\]: keys must be strings\. Received: 1"),
        ([0, object()], r"state\['x'\]\[1\]: expected numbers.*Received: object"),
        ({"y": np.array([None])}, r"state\['x'\]\['y'\]: an array of Python objects"),
        (print, "Received: builtin_function"),
    ],
)
def test_what_cannot_be_kept_is_named(value, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        write_state(tmp_path / "state", {"x": value})
    assert not (tmp_path / "state").exists()


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "state.npz"
    tree = {"weights": [np.arange(100.0), np.ones(3)], "number": 7, "text": "some"}
    write_state(path, tree)
    return path


def test_every_truncation_is_told(written):
    content = written.read_bytes()
    for length in range(0, len(content), 37):
        written.write_bytes(content[:length])
        with pytest.raises(FileError, match=r"state\.npz is damaged"):
            read_state(written)


def test_a_flipped_bit_is_told_or_harmless(written):
    content, expected = written.read_bytes(), read_state(written)
    generator = np.random.default_rng(0)
    told = 0
    for place in generator.integers(0, 8 * len(content), 300):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        written.write_bytes(changed)
        try:
            assert same(expected, read_state(written))  # a date or a comment of the archive
        except FileError:
            told += 1
    assert told > 150


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("epoch,loss\n0,1.0\n"),
        lambda path: np.savez(path, weights=np.ones(3)),
        lambda path: np.savez(path, state=np.array({"a": 1}, dtype=object)),
        lambda path: np.savez(path, state=np.frombuffer(b'{"a": {"<array>": 5}}', "uint8")),
    ],
    ids=["empty", "text", "no state", "pickle", "array missing"],
)
def test_foreign_files(make, tmp_path):
    path = tmp_path / "state.npz"
    make(path)
    with pytest.raises(FileError, match=r"state\.npz is damaged, or no backup"):
        read_state(path)


def test_an_entry_that_unpacks_to_more_than_the_file_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as entries:
        entries.writestr("state.npy", bytes(10**7))
    with pytest.raises(FileError, match="ask for 10,000,000 bytes"):
        read_state(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none")
