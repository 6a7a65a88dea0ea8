"""Damaged files and files of another format: a clear error. `tests.trust.fuzz` has many more."""

import pytest

h5py = pytest.importorskip("h5py")

from tests.saving.models import network  # noqa: E402
from tinyconv.saving import load_model, load_weights  # noqa: E402

ENDINGS = (".keras", ".h5", ".weights.h5")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder, model = tmp_path_factory.mktemp("good"), network()
    for ending in ENDINGS:
        file = folder / f"good{ending}"
        model.save_weights(file) if ending == ".weights.h5" else model.save(file)
    return {ending: (folder / f"good{ending}").read_bytes() for ending in ENDINGS}


@pytest.mark.parametrize("content", [b"", b"what?" * 99], ids=["empty", "garbage"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_no_such_file(content, ending, tmp_path):
    file = tmp_path / f"bad{ending}"
    file.write_bytes(content)
    load = load_model if ending != ".weights.h5" else lambda path: load_weights(network(), path)
    kind = r"\.keras" if ending == ".keras" else "HDF5"
    with pytest.raises(OSError, match=rf"bad\{ending} is not a readable {kind} file"):
        load(file)


def test_a_format_under_the_name_of_another(good, tmp_path):
    for ending, other in ((".keras", ".h5"), (".h5", ".keras"), (".h5", ".weights.h5")):
        file = tmp_path / f"wrong{ending}"
        file.write_bytes(good[other])
        with pytest.raises((OSError, ValueError), match=rf"wrong\{ending}"):
            load_model(file)


def test_a_heap_that_would_keep_the_library_busy_for_ever(good, tmp_path):
    """The space that is left in the strings' heap has the length 0."""
    content = bytearray(good[".h5"])
    at = content.find(b"GCOL\x01") + 16
    while content[at : at + 2] != b"\0\0":
        at += 16 + (int.from_bytes(content[at + 8 : at + 16], "little") + 7) // 8 * 8
    content[at + 8 : at + 16] = bytes(8)
    file = tmp_path / "endless.h5"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"endless\.h5: damaged: the strings in it"):
        load_model(file)


def test_unusual_sizes_are_refused(good, tmp_path):
    content = bytearray(good[".h5"])
    assert content[13:15] == b"\x08\x08"
    content[14] = 4
    file = tmp_path / "odd.h5"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"odd\.h5: an HDF5 file with unusual sizes"):
        load_model(file)
