"""HDF5 files and archives that were made to harm: refused before memory is taken."""

import zipfile

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from tests.saving.models import archive_of, network, same_weights  # noqa: E402
from tinyconv.saving import load_model, load_weights  # noqa: E402

# ---- HDF5 -----------------------------------------------------------------------


def weights_file(tmp_path, change):
    """A good file of weights that `change(h5, folder)` has changed."""
    file = tmp_path / "bad.weights.h5"
    network().save_weights(file)
    with h5py.File(file, "r+") as h5:
        change(h5, tmp_path)
    return file


KERNEL = "layers/dense/vars/0"


def replaced(h5, **how):
    del h5[KERNEL]
    return h5.create_dataset(KERNEL, **how)


def soft_link(h5, folder):
    del h5[KERNEL]
    h5[KERNEL] = h5py.SoftLink("/layers/dense/vars/1")


def external_link(h5, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.zeros((12, 2))
    del h5[KERNEL]
    h5[KERNEL] = h5py.ExternalLink(folder / "other.h5", "secret")


def external_storage(h5, folder):
    (folder / "secret").write_bytes(b"password" * 100)
    replaced(h5, shape=(48, 2), dtype="f4", external=[(folder / "secret", 0, 384)])


def virtual(h5, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.zeros((48, 2), "f4")
    layout = h5py.VirtualLayout((48, 2), "f4")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "secret", (48, 2))
    del h5[KERNEL]
    h5.create_virtual_dataset(KERNEL, layout)


def a_terabyte(h5, folder):
    replaced(h5, shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))


def compressed_gigabytes(h5, folder):
    replaced(h5, shape=(10**5, 10**4), dtype="f4", chunks=(1000, 1000), compression="gzip")


def a_giant_chunk(h5, folder):
    replaced(h5, shape=(48, 2), maxshape=(None, 2), dtype="f4", chunks=(3 * 10**8, 2))


def strings(h5, folder):
    replaced(h5, data=np.full((48, 2), b"word"))


def circle(h5, folder):
    h5["layers/dense/again"] = h5["layers"]


HDF5 = {
    soft_link: f"/{KERNEL} is a link to another place: refused",
    external_link: f"/{KERNEL} is a link to another place: refused",
    external_storage: f"/{KERNEL} keeps its values in another file: refused",
    virtual: f"/{KERNEL} keeps its values in another file: refused",
    a_terabyte: rf"/{KERNEL} asks for [\d,]+ bytes of memory, and there are [\d,]+ bytes in the",
    compressed_gigabytes: f"/{KERNEL} asks for",
    a_giant_chunk: f"/{KERNEL} asks for",
    strings: f"/{KERNEL} is not an array of numbers: refused",
    circle: "/layers/dense/again is a second name of another object: refused",
}


@pytest.mark.parametrize("change", HDF5, ids=lambda change: change.__name__)
def test_hdf5(change, tmp_path, peak):
    model = network()
    before = model.get_weights()
    file = weights_file(tmp_path, change)
    with pytest.raises(ValueError, match=r"bad\.weights\.h5: " + HDF5[change]):
        load_weights(model, file)
    assert same_weights(model, before)
    # The same file inside an archive.
    good = tmp_path / "model.keras"
    network().save(good)
    with zipfile.ZipFile(good) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(good, "w") as archive:
        for name, content in {**entries, "model.weights.h5": file.read_bytes()}.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"model\.keras: " + HDF5[change]):
        load_model(good)


def test_compressed_weights_are_read(tmp_path):
    def compress(h5, folder):
        data = h5[KERNEL][()]
        replaced(h5, data=data, chunks=(16, 2), compression="gzip", shuffle=True)

    file, model = weights_file(tmp_path, compress), network(trained=False)
    load_weights(model, file)
    assert np.abs(model.layers[-1].get_weights()[0]).max() > 0


# ---- archives -------------------------------------------------------------------


def test_a_zip_bomb(tmp_path, peak):
    file = tmp_path / "bomb.keras"
    archive_of(file, {"metadata.json": "{}"})
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("config.json", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(ValueError, match=r"bomb\.keras: config\.json asks for 314,572,800 bytes"):
        load_model(file)


def test_a_long_configuration(tmp_path, peak):
    entries = {"metadata.json": "{}", "config.json": " " * (17 << 20), "model.weights.h5": ""}
    file = archive_of(tmp_path / "long.keras", entries)
    with pytest.raises(
        ValueError, match=r"long\.keras: config\.json has 17,825,792 bytes: refused"
    ):
        load_model(file)


def test_a_size_that_is_a_lie(tmp_path, peak):
    """The archive declares 10 bytes, and unpacks to 200 MB: no more than declared is read."""
    file = tmp_path / "liar.keras"
    archive_of(file, {"metadata.json": "{}", "model.weights.h5": ""})
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("config.json", "w") as entry,
    ):
        for _ in range(200):
            entry.write(bytes(1 << 20))
    content = file.read_bytes().replace(
        (200 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")
    )
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"liar\.keras: "):
        load_model(file)


def test_unusual_compression(tmp_path):
    entries = {"metadata.json": "{}", "config.json": "{}", "model.weights.h5": ""}
    file = archive_of(tmp_path / "odd.keras", entries, zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match=r"odd\.keras: metadata\.json is compressed in an unusual"):
        load_model(file)


def test_paths_that_lead_out_are_never_followed(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    file = folder / "model.keras"
    network().save(file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("../escaped.txt", "no")
        archive.writestr("/escaped_from_tinyconv.txt", "no")
    assert load_model(file).count_params() == network().count_params()
    assert [each.name for each in tmp_path.iterdir()] == ["inner"]
    assert [each.name for each in folder.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("missing", ["metadata.json", "config.json", "model.weights.h5"])
def test_an_archive_without_an_entry(missing, tmp_path):
    file = tmp_path / "model.keras"
    network().save(file)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if name != missing}
    archive_of(file, entries)
    with pytest.raises(ValueError, match=rf"model\.keras: the archive holds no {missing}"):
        load_model(file)
