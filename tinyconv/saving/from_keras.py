"""The JSON of Keras 3, and of the Keras 2 in TensorFlow 2, as the plain configs of this library.

What makes no difference here is left out, what has another spelling is translated, and what
is left is checked by the constructors. Nothing in a file is code: functions are looked up by
their names, and a `Lambda` is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinyconv import initializers, regularizers
from tinyconv.registry import in_effect
from tinyconv.saving import from_keras_graph

OLD_CLASSES = {"Model": "Functional", "BatchNormalizationV1": "BatchNormalization"}
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def layer_entry(entry: Any) -> dict[str, Any]:
    """{"class_name", "name", "config"} of a layer or model, for `configuration.layer_from`.

    Raises:
        ValueError: naming the layer, for a Lambda, code, or an argument that is not supported.
    """
    class_name, values = str(entry["class_name"]), entry["config"]
    class_name = class_name.rpartition(">")[2]  # "Custom>Scale" in TensorFlow 2
    class_name = OLD_CLASSES.get(class_name, class_name)
    if isinstance(values, list):  # the Sequential of Keras 2.0 to 2.2 is a bare list
        values = {"layers": values}
    label = f"{class_name} {values.get('name')!r}"
    if class_name == "Lambda" or class_name.startswith("__"):
        raise ValueError(
            f"{label} is code inside a file, and code from files is never run. Write a Layer with "
            "forward and backward instead, and pass it in custom_objects"
        )
    if ".ops" in str(entry.get("module")):
        raise ValueError(f"{label}: an operation ({entry['module']}), not a layer: not supported")
    if class_name == "Functional":
        config = from_keras_graph.functional(values, layer_entry)
    elif class_name == "Sequential":
        config = _sequential(values)
    else:
        config = _config(class_name, label, values)
    name = entry.get("name") or config.get("name")
    return {"class_name": class_name, "name": name, "config": config}


def _sequential(values: Mapping[str, Any]) -> dict[str, Any]:
    config = {key: values[key] for key in ("name", "trainable") if values.get(key) is not None}
    config["layers"] = [layer_entry(each) for each in values["layers"]]
    first = config["layers"][0] if config["layers"] else {"class_name": None, "config": {}}
    declared = first["class_name"] == "InputLayer" or "input_shape" in first["config"]
    if values.get("build_input_shape") and not declared:
        config["input_shape"] = tuple(values["build_input_shape"][1:])
    return config


def _config(class_name: str, label: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments of one layer."""
    config = {key: _plain(f"{label}: {key}", value) for key, value in values.items()}
    if not config.get("renorm"):
        config.pop("renorm_momentum", None)
    config = in_effect(config)
    dtype = config.pop("dtype", None)
    shape = config.pop("batch_input_shape", None) or config.pop("batch_shape", None)
    if class_name == "InputLayer":
        config = {"shape": config.get("shape"), "name": config.get("name")}
        config["shape"] = shape[1:] if shape else config["shape"]
    elif shape:
        config["input_shape"] = shape[1:]
    if dtype in _FLOATS or class_name != "InputLayer":  # an input of integers is computed in floats
        config["dtype"] = dtype
    if isinstance(config.get("axis"), tuple) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]  # how TensorFlow 2 writes that of BatchNormalization
    _check_parts(label, config)
    return config


def _check_parts(label: str, config: dict[str, Any]) -> None:
    """Make the initializers and regularizers here, where the layer is known by its name."""
    for ending, get in (("_initializer", initializers.get), ("_regularizer", regularizers.get)):
        for key, value in config.items():
            if key.endswith(ending) and value is not None:
                try:
                    config[key] = get(value)
                except Exception as error:
                    raise ValueError(f"{label}: {key}: {error}") from None


def compile_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `compile`: a config in a place where it takes one, names stay names.

    Takes the `compile_config` of `.keras` and the `training_config` of `.h5` files.

    Raises:
        ValueError: for functions and settings that are not supported.
    """
    settings = {key: values.get(key) for key in ("loss_weights",)}
    chosen = values.get("optimizer_config") or values["optimizer"]
    settings["optimizer"] = _optimizer(_plain("optimizer", chosen))
    settings["loss"] = _each(_plain("loss", values.get("loss")), _loss)
    for key in ("metrics", "weighted_metrics"):
        settings[key] = _each(_plain(key, values.get(key)), _metric)
    return settings


def _each(value: Any, translate: Callable[[dict[str, Any]], Any]) -> Any:
    if isinstance(value, Mapping):
        if "class_name" in value:
            return translate(dict(value))
        return {key: _each(each, translate) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_each(each, translate) for each in value]
    return value


def _optimizer(value: Any) -> Any:
    if isinstance(value, str):
        return value
    config = dict(value["config"])
    if not config.get("use_ema"):
        config.pop("ema_momentum", None)
    if not config.get("decay"):
        config.pop("decay", None)
    config.pop("is_legacy_optimizer", None)
    config = in_effect(config)
    rate = config.get("learning_rate")
    if isinstance(rate, Mapping):
        values = {key: each for key, each in rate["config"].items() if key != "name"}
        config["learning_rate"] = {"class_name": rate["class_name"], "config": values}
    return {"class_name": value["class_name"].rpartition(">")[2], "config": config}


def _loss(value: dict[str, Any]) -> dict[str, Any]:
    config = dict(value["config"])
    if config.get("reduction") == "auto":  # TensorFlow 2's word for what is the only default now
        config["reduction"] = "sum_over_batch_size"
    for key, without_effect in (("axis", -1), ("ignore_class", None), ("fn", config.get("fn"))):
        if key in config and config[key] == without_effect:
            del config[key]
    config.pop("dtype", None)
    return {"class_name": value["class_name"], "config": config}


def _metric(value: dict[str, Any]) -> Any:
    name, config = value["class_name"], dict(value["config"])
    config.pop("dtype", None)
    if config.get("from_sorted_ids") is False:
        del config["from_sorted_ids"]
    if name == "MeanMetricWrapper":  # TensorFlow 2: a function by its name, under another name
        name = str(config.pop("fn"))
        name = name if config.get("name") not in ("accuracy", "acc") else config["name"]
        return name if name in ("accuracy", "acc") else {"class_name": name, "config": config}
    return {"class_name": name, "config": config}


def _plain(what: str, value: Any) -> Any:
    """The value without Keras' wrapping: lists as tuples, dtype policies as their names."""
    if isinstance(value, list):
        return tuple(_plain(what, each) for each in value)
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        return {key: _plain(what, each) for key, each in value.items()}
    name, config = str(value["class_name"]), value.get("config")
    if name in ("DTypePolicy", "Policy"):
        return config["name"] if isinstance(config, Mapping) else config
    if name == "function":
        return str(config)
    if name == "__tuple__":
        return tuple(_plain(what, each) for each in value["items"])
    if name == "__ndarray__" and isinstance(config, Mapping):
        return config["data"] if isinstance(config["data"], (int, float)) else tuple(config["data"])
    if name.startswith("__") or name == "Lambda":
        raise ValueError(f"{what}: {name} in a file is code or unknown, and is never run: refused")
    config = _plain(what, config or {})
    known = {key: each for key, each in config.items() if key != "dtype"}
    return {"class_name": name, "config": in_effect(known if "seed" in config else config)}
