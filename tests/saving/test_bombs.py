"""Small files that would grow: refused before memory is taken, and before time is."""

import json
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from tests.saving.models import archive_of, network, same_weights  # noqa: E402
from tests.saving.old_keras import dense, start, values, write  # noqa: E402
from tests.saving.test_hostile_containers import KERNEL, replaced, weights_file  # noqa: E402
from tinyconv.saving import heaps, load_model, load_weights  # noqa: E402
from tinyconv.saving.errors import FileError  # noqa: E402

# ---- HDF5 -----------------------------------------------------------------------


def one_long_name_for_all(h5, folder):
    """Strings of an attribute that all name the same megabyte; see `the_same_string`."""
    many = np.array(["x" * (1 << 20), *["y"] * 3999], h5py.string_dtype())
    h5.attrs["many"] = many


def the_same_string(file):
    """4,000 references of 16 bytes (length, heap, number), each now the first of them."""
    content = bytearray(file.read_bytes())
    first, second = struct.pack("<I", 1 << 20), struct.pack("<I", 1)
    at = content.find(first)
    while content[at + 16 : at + 20] != second:  # else the length in the heap itself
        at = content.find(first, at + 1)
        assert at > 0
    content[at : at + 16 * 4000] = content[at : at + 16] * 4000
    file.write_bytes(content)


def a_piece_that_unpacks_to_megabytes(h5, folder):
    made = replaced(h5, shape=(48, 2), dtype="f4", chunks=(48, 2), compression="gzip")
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 26), 1))


def packed_twice(h5, folder):
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((48, 2))
    settings.set_deflate(1)
    settings.set_deflate(1)
    del h5[KERNEL]
    space = h5py.h5s.create_simple((48, 2))
    made = h5py.h5d.create(h5.id, KERNEL.encode(), h5py.h5t.IEEE_F32LE, space, settings)
    h5py.Dataset(made)[...] = 1


def packed_with_lzf(h5, folder):
    replaced(h5, data=np.zeros((48, 2), "f4"), chunks=(48, 2), compression="lzf")


def many_pieces(h5, folder):
    replaced(h5, shape=(1 << 21, 2), dtype="f4", chunks=(1, 2))


def small_integers(h5, folder):
    """50 MB as they stand there, 200 MB or 400 MB as weights."""
    replaced(h5, shape=(50_000_000,), dtype="u1", chunks=(1_000_000,))


HDF5 = {
    one_long_name_for_all: "attribute 'many' of / asks for 4,",
    a_piece_that_unpacks_to_megabytes: f"/{KERNEL}: a piece unpacks to more than it may hold",
    packed_twice: f"/{KERNEL} is packed in an unusual way: refused",
    packed_with_lzf: f"/{KERNEL} is packed in an unusual way: refused",
    many_pieces: f"/{KERNEL} is cut into 2,097,152 pieces: refused",
    small_integers: f"/{KERNEL} asks for 400,",
}


@pytest.mark.parametrize("change", HDF5, ids=lambda change: change.__name__)
def test_hdf5(change, tmp_path, peak):
    file = weights_file(tmp_path, change)
    if change is one_long_name_for_all:
        the_same_string(file)
    model = network()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"bad\.weights\.h5: " + HDF5[change]):
        load_weights(model, file)
    assert same_weights(model, before)


@pytest.mark.parametrize("checksum", [False, True])
def test_packed_pieces_are_read(checksum, tmp_path):
    data = np.random.default_rng(0).random((48, 2)).astype("float32")

    def change(h5, folder):
        replaced(
            h5, data=data, chunks=(10, 2), compression="gzip", shuffle=True, fletcher32=checksum
        )

    model = network()
    load_weights(model, weights_file(tmp_path, change))
    np.testing.assert_array_equal(model.get_weights()[-2], data)


def test_heaps_that_overlap(tmp_path):
    """Each of them is sound, and to look through all would take a minute."""
    units = 1 << 15
    content = b"\x89HDF\r\n\x1a\n" + b"\0" * 5 + b"\x08\x08\0"
    for number in range(units):
        size = 32 * (units - number)
        content += b"GCOL\x01\0\0\0" + size.to_bytes(8, "little")
        length = 16 if number < units - 1 else 0
        content += b"\1\0" + bytes(6) + length.to_bytes(8, "little")
    file = tmp_path / "heaps.h5"
    file.write_bytes(content)
    begun = time.process_time()
    with pytest.raises(FileError, match=r"heaps\.h5: damaged: the strings in it overlap"):
        heaps.check(file)
    assert time.process_time() - begun < 3


# ---- archives -------------------------------------------------------------------


def test_what_unpacks_is_compared_with_the_file_on_the_disk(tmp_path, peak):
    """Zeros in the archive are nothing on the disk: 60 MB of them may not ask for 600 more."""
    inner = weights_file(tmp_path, lambda h5, folder: h5.attrs.create("zeros", np.zeros(10)))
    with h5py.File(inner, "r+") as h5:
        replaced(h5, shape=(20_000_000,), dtype="f4", chunks=(1_000_000,))
    content = inner.read_bytes() + bytes(30 << 20)
    good = tmp_path / "good.keras"
    network().save(good)
    with zipfile.ZipFile(good) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    file = tmp_path / "zeros.keras"
    archive_of(file, {**entries, "model.weights.h5": content}, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=rf"zeros\.keras: /{KERNEL} asks for 160,"):
        load_weights(network(), file)


def test_a_packed_size_that_is_a_lie(tmp_path, peak):
    """The archive declares a packed size of 4 GB for its 300 MB of zeros."""
    file = tmp_path / "liar.keras"
    archive_of(file, {"metadata.json": "{}", "config.json": "{}"})
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("model.weights.h5", "w") as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
        packed = archive.getinfo("model.weights.h5").compress_size
    content = file.read_bytes()
    content = content.replace(packed.to_bytes(4, "little"), (2**32 - 2).to_bytes(4, "little"))
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"liar\.keras: model\.weights\.h5 asks for 314,572,800"):
        load_model(file)


# ---- configurations ---------------------------------------------------------------


def test_a_long_configuration_in_hdf5(tmp_path, peak):
    file = write(tmp_path / "long.h5", {"d": [("d/kernel:0", values(4, 2))]})
    with h5py.File(file, "r+") as h5:
        h5.attrs["model_config"] = "[" + "[]," * (2 << 20) + "[]]"
    with pytest.raises(ValueError, match=r"long\.h5: model_config has 6,\d+,\d+ bytes: refused"):
        load_model(file)


def test_too_many_layers(tmp_path):
    relu = [{"class_name": "ReLU", "config": {"name": f"r{n}"}} for n in range(12_000)]
    model = {"class_name": "Sequential", "config": [start("x", 4), *relu]}
    file = write(tmp_path / "many.h5", {"d": [("d/kernel:0", values(4, 2))]}, model)
    with pytest.raises(ValueError, match=r"many\.h5: a model of 12,002 layers: refused"):
        load_model(file)


def test_a_thousand_layers_are_read_soon(tmp_path):
    relu = [{"class_name": "ReLU", "config": {"name": f"r{n}"}} for n in range(3_000)]
    config = {"class_name": "Sequential", "config": [start("x", 4), *relu, dense("d", 2)]}
    weights = {"d": [("d/kernel:0", values(4, 2)), ("d/bias:0", values(2))]}
    file = write(tmp_path / "many.h5", weights, config)
    begun = time.process_time()
    assert len(load_model(file).layers) == 3_001
    assert time.process_time() - begun < 5


# ---- what is said -------------------------------------------------------------------


def test_what_a_file_says_is_no_command_to_the_terminal(tmp_path):
    def change(h5, folder):
        h5["layers/\x1b[2J\x07"] = h5py.SoftLink("/layers")

    with pytest.raises(FileError) as told:
        load_weights(network(), weights_file(tmp_path, change))
    assert r"/layers/\x1b[2J\x07 is a link to another place" in str(told.value)


def test_what_a_file_says_is_shortened(tmp_path):
    file = tmp_path / "loud.keras"
    network().save(file)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["layers"][-1]["config"]["units"] = "many" * 100_000
    archive_of(file, {**entries, "config.json": json.dumps(config)})
    with pytest.raises(FileError, match=r"loud\.keras: .*units.*\[\.\.\. 39\d,\d+ char") as told:
        load_model(file)
    assert len(str(told.value)) < 3_000


@pytest.mark.parametrize("steps", [2.0**63, 1e30, 0.5])
def test_a_number_of_steps_that_is_none(steps, tmp_path):
    def change(h5, folder):
        del h5["optimizer/vars/0"]
        h5["optimizer/vars/0"] = np.float64(steps)

    model = network()
    before = model.get_weights()
    with pytest.raises(FileError, match=r"adam: no number of steps: "):
        load_weights(model, weights_file(tmp_path, change))
    assert same_weights(model, before)
    assert model.optimizer.iterations == 1
