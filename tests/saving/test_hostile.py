"""Files that were made to harm: refused with a clear error, before memory is taken."""

import json
import tracemalloc
import zipfile

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.saving.models import network, same_weights  # noqa: E402
from tests.saving.old_keras import dense, start, values, write  # noqa: E402
from tinyconv.saving import load_model, load_weights  # noqa: E402


@pytest.fixture
def peak():
    """Fail if the test takes more than 150 MB (what NumPy and Python allocate is counted)."""
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 150e6


def edited(tmp_path, change, ending=".keras"):
    """A good file whose configuration `change` has changed."""
    file = tmp_path / f"model{ending}"
    network().save(file)
    if ending == ".keras":
        with zipfile.ZipFile(file) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(entries["config.json"])
        change(config)
        entries["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
    else:
        with h5py.File(file, "r+") as h5:
            config = json.loads(h5.attrs["model_config"])
            change(config)
            h5.attrs["model_config"] = json.dumps(config)
    return file


def last(config):
    return config["config"]["layers"][-1]


def giant_units(config):
    last(config)["config"]["units"] = 10**12


def giant_kernel(config):
    config["config"]["layers"][1]["config"]["kernel_size"] = [200_000, 200_000]
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 300_000, 300_000, 3]


def giant_input(config):
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 2**31, 2**31, 3]


def many_layers(config):
    layers = config["config"]["layers"]
    for number in range(40):
        entry = json.loads(json.dumps(layers[-1]))
        entry["config"]["name"], entry["config"]["units"] = f"more_{number}", 9_000_000
        layers.append(entry)


def a_lambda(config):
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "closure": None}}
    values = {"name": "evil", "function": code}
    last(config).update(class_name="Lambda", config=values)


def code_as_activation(config):
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA"}}
    last(config)["config"]["activation"] = code


def a_function(config):
    function = {"module": "os", "class_name": "function", "config": "system"}
    last(config)["config"]["activation"] = {**function, "registered_name": "function"}


def an_unknown_class(config):
    last(config).update(module="os", class_name="Popen")


def an_operation(config):
    last(config).update(module="keras.src.ops.numpy", class_name="Add")


def a_constraint(config):
    values = {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}}
    last(config)["config"]["kernel_constraint"] = {"module": "keras.constraints", **values}


def channels_first(config):
    config["config"]["layers"][1]["config"]["data_format"] = "channels_first"


def half_precision(config):
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    last(config)["config"]["dtype"] = policy


def an_initializer(config):
    values = {"class_name": "Orthogonal", "config": {"gain": 1.0}}
    last(config)["config"]["kernel_initializer"] = values


def an_argument(config):
    last(config)["config"]["kernel_magic"] = 3


def no_layers(config):
    del config["config"]["layers"]


def no_model(config):
    config["class_name"] = "Dense"
    config["config"] = {"name": "d", "units": 2}


CONFIGS = {
    giant_units: r"Dense '.*': kernel of shape \(\d+, 1000000000000\) asks for .* but the file",
    giant_kernel: r"Conv2D 'stem': kernel of shape .* asks for",
    giant_input: r"Sequential .block.: expected input of shape",
    many_layers: "asks for",
    a_lambda: "Lambda 'evil' is code inside a file, and code from files is never run",
    code_as_activation: r"Dense '.*': activation: __lambda__ in a file is code",
    a_function: r"Dense '.*': unknown activation 'system'",
    an_unknown_class: "unknown layer class 'Popen'",
    an_operation: r"Add '.*': an operation \(keras\.src\.ops\.numpy\), not a layer",
    a_constraint: r"Dense '.*': argument 'kernel_constraint' is supported as None only",
    channels_first: r"Conv2D 'stem': data_format must be 'channels_last'",
    half_precision: "dtype must be one of",
    an_initializer: r"Dense '.*': kernel_initializer: .*unknown name 'Orthogonal'",
    an_argument: r"Dense '.*': unsupported argument 'kernel_magic'",
    no_layers: "missing 'layers'",
    no_model: "not of a model",
}


@pytest.mark.parametrize("change", CONFIGS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_configurations(change, ending, tmp_path, peak):
    file = edited(tmp_path, change, ending)
    with pytest.raises(ValueError, match=rf"model\{ending}: (.|\n)*" + CONFIGS[change]):
        load_model(file)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_endless_nesting(ending, tmp_path):
    file = tmp_path / f"deep{ending}"
    model = '{"class_name": "Sequential", "config": {"name": "s", "layers": [' * 30_000
    if ending == ".keras":
        archive_of(file, {"metadata.json": "{}", "config.json": model, "model.weights.h5": ""})
    else:
        with h5py.File(file, "w") as h5:
            h5.attrs["model_config"] = model
            h5.create_group("model_weights").attrs["layer_names"] = [b"s"]
    with pytest.raises(ValueError, match=rf"deep\{ending}: .*recursion"):
        load_model(file)


def test_what_has_no_effect_passes(tmp_path):
    def change(config):
        last(config)["config"].update(
            activity_regularizer=None, kernel_constraint=None, quantization_config=None,
            autocast=True,
        )  # fmt: skip

    model = load_model(edited(tmp_path, change))
    assert same_weights(model, network(trained=False).get_weights()) is False
    assert model.layers[-1].units == 2


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


def test_the_giants_of_an_old_file(tmp_path, peak):
    config = {"class_name": "Sequential", "config": [start("x", 4), dense("d", 10**11)]}
    weights = {"d": [("d/kernel:0", values(4, 2)), ("d/bias:0", values(2))]}
    file = write(tmp_path / "m.h5", weights, config)
    message = r"m\.h5: Dense 'd': kernel of shape \(4, 100000000000\) asks for"
    with pytest.raises(ValueError, match=message):
        load_model(file)


# ---- archives -------------------------------------------------------------------


def archive_of(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


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
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("config.json", "w") as entry:
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
        archive.writestr("/tmp/escaped_from_tinyconv.txt", "no")
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


def test_nothing_in_a_file_is_imported_or_called(tmp_path, monkeypatch):
    import builtins
    import importlib

    file = edited(tmp_path, an_unknown_class)

    def forbidden(*_, **__):
        raise AssertionError("a file made code run")

    for module, name in ((builtins, "eval"), (builtins, "exec"), (importlib, "import_module")):
        monkeypatch.setattr(module, name, forbidden)
    with pytest.raises(ValueError, match="unknown layer class 'Popen'"):
        load_model(file)


def test_custom_objects_must_be_named(tmp_path):
    class Dense(tinyconv.layers.Dense):
        pass

    model = load_model(edited(tmp_path, an_unknown_class), custom_objects={"Popen": Dense})
    assert isinstance(model.layers[-1], Dense)
