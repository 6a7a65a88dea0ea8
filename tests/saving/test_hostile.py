"""Files that were made to harm: refused with a clear error, before memory is taken."""

import json
import zipfile

import pytest

h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.saving.models import archive_of, network, same_weights  # noqa: E402
from tests.saving.old_keras import dense, start, values, write  # noqa: E402
from tinyconv.saving import load_model  # noqa: E402


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


def test_the_giants_of_an_old_file(tmp_path, peak):
    config = {"class_name": "Sequential", "config": [start("x", 4), dense("d", 10**11)]}
    weights = {"d": [("d/kernel:0", values(4, 2)), ("d/bias:0", values(2))]}
    file = write(tmp_path / "m.h5", weights, config)
    message = r"m\.h5: Dense 'd': kernel of shape \(4, 100000000000\) asks for"
    with pytest.raises(ValueError, match=message):
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


def a_layer_of_keras(config):
    last(config).update(module="keras.layers", class_name="RandomFlip")


def test_a_layer_of_keras_that_is_not_supported_is_not_taken_for_the_users_own(tmp_path):
    file = edited(tmp_path, a_layer_of_keras)
    with pytest.raises(ValueError, match=r"'RandomFlip' .*Keras' own.* does not support") as told:
        load_model(file)
    assert "custom_objects" not in str(told.value)
    own = load_model(file, custom_objects={"RandomFlip": tinyconv.layers.Dense})
    assert type(own.layers[-1]) is tinyconv.layers.Dense
