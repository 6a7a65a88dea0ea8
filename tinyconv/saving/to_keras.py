"""Models, layers, losses and so on as the JSON that Keras 3 reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tinyconv import losses, metrics
from tinyconv.registry import snake_case
from tinyconv.saving import modules

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer

_LAYOUT = "channels_last"


def model_entry(model: Any) -> dict[str, Any]:
    """A whole model.

    Raises:
        ValueError: naming the layer, for what Keras' files can't hold.
    """
    seen: set[int] = set()
    for layer in _layers_inside(model):
        if layer.weights and id(layer) in seen:
            raise ValueError(
                f"{model!r}: {layer!r} is shared by several models inside it. In a file each would "
                "have a copy of its own; save_weights writes it once"
            )
        seen.add(id(layer))
    return layer_entry(model)


def _layers_inside(model: Any) -> Iterator[Layer]:
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers_inside(layer)
        else:
            yield layer


def layer_entry(layer: Layer) -> dict[str, Any]:
    """A layer or a model, with all it consists of.

    Raises:
        ValueError: for an activation that Keras has no name for.
    """
    class_name = type(layer).__name__
    if class_name == "Functional":
        config = _functional(layer)
    elif class_name == "Sequential":
        config = _sequential(layer)
    else:
        config = _config(layer)
    return _object(modules.of_class(type(layer)), class_name, config)


def _config(layer: Layer) -> dict[str, Any]:
    config = layer.get_config()
    if type(layer).__name__ == "InputLayer":
        shape = [None, *config.pop("shape")]
        del config["trainable"]
        return {**config, "batch_shape": shape, "sparse": False, "ragged": False}
    for key, value in config.items():
        if isinstance(value, Mapping) and value.get("class_name") == "Activation":
            raise ValueError(f"{layer!r}: Keras has no name for {key}={value['config']}")
        config[key] = _nested(value)
    if type(layer).__name__ in modules.WITH_DATA_FORMAT:
        config["data_format"] = _LAYOUT
    return config


def _sequential(model: Any) -> dict[str, Any]:
    config = model.get_config()
    entries = [layer_entry(layer) for layer in model.layers]
    values = {key: config[key] for key in ("name", "trainable", "dtype")}
    if not model.inputs:
        return {**values, "layers": entries}
    start = layer_entry(model.inputs[0].node.layer)
    shape = list(model.inputs[0].shape)
    return {**values, "layers": [start, *entries], "build_input_shape": shape}


def _functional(model: Any) -> dict[str, Any]:
    config = model.get_config()
    tensors = {
        (tensor.name, number, tensor.index): tensor
        for layer in model.layers
        for number, node in enumerate(_calls(model, layer))
        for tensor in node.outputs
    }
    entries = []
    for layer, plain in zip(model.layers, config["layers"], strict=True):
        nodes = [_node(call, tensors) for call in plain["inbound_nodes"]]
        entries.append({**layer_entry(layer), "name": layer.name, "inbound_nodes": nodes})
    models = {layer.name for layer in model.layers if type(layer).__name__ == "Functional"}

    def ends(places: list[list[Any]]) -> Any:
        # Keras counts the calls of a nested model from 1 here: the first is its own graph.
        shifted = [[name, node + (name in models), index] for name, node, index in places]
        return shifted if len(shifted) > 1 else shifted[0]

    return {
        "name": config["name"],
        "trainable": config["trainable"],
        "layers": entries,
        "input_layers": ends(config["input_layers"]),
        "output_layers": ends(config["output_layers"]),
    }


def _calls(model: Any, layer: Layer) -> list[Any]:
    """The calls of a layer that belong to this model; an input has made its tensor itself."""
    calls = [node for node in layer.nodes if node in model.calls]
    return calls or layer.nodes[:1]


def _node(call: Mapping[str, Any], tensors: Mapping[Any, Any]) -> dict[str, Any]:
    taken = []
    for place in call["inputs"]:
        tensor = tensors[tuple(place)]
        history = {"shape": list(tensor.shape), "dtype": tensor.dtype, "keras_history": place}
        taken.append({"class_name": "__keras_tensor__", "config": history})
    mode = {} if call["training"] is None else {"training": call["training"]}
    return {"args": [taken] if call["listed"] else taken, "kwargs": mode}


def compile_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `compile` was given."""
    return {
        "optimizer": _described(arguments["optimizer"]),
        "loss": _each(arguments["loss"], losses.get),
        "loss_weights": arguments.get("loss_weights"),
        "metrics": _each(arguments.get("metrics"), metrics.get),
        "weighted_metrics": _each(arguments.get("weighted_metrics"), metrics.get),
    }


def _each(given: Any, get: Any) -> Any:
    """Objects for names, in lists and dicts too: Keras 3.15 finds no "mse" in an `.h5` file.

    What "accuracy" means depends on the outputs, so that stays a name.
    """
    if given is None or (isinstance(given, str) and given in ("accuracy", "acc")):
        return given
    if isinstance(given, Mapping) and "class_name" not in given:
        return {key: _each(value, get) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [_each(value, get) for value in given]
    return _described(get(given))


def _described(value: Any) -> dict[str, Any]:
    cls, config = type(value), dict(value.get_config())
    if config.get("name") == cls.__name__:
        config["name"] = snake_case(cls.__name__)  # the name that Keras gives by itself
    return _object(modules.of_class(cls), cls.__name__, _nested(config))


def _nested(value: Any) -> Any:
    """Plain values as JSON has them; {"class_name", "config"} with the module it is from."""
    if isinstance(value, Mapping):
        if "class_name" not in value:
            return {key: _nested(each) for key, each in value.items()}
        name, config = value["class_name"], _nested(value["config"])
        return _object(modules.of_part(name), name, config)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_nested(each) for each in value]
    return value


def _object(module: str | None, class_name: str, config: Any) -> dict[str, Any]:
    registered = class_name if module is None or class_name == "Functional" else None
    return {
        "module": module, "class_name": class_name, "config": config,
        "registered_name": registered,
    }  # fmt: skip
