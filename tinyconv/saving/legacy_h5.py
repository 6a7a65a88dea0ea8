"""The HDF5 layout of Keras 1 to 3 in `.h5` files: weights by the names of layers.

    layer_names (attribute)               ["conv2d", "dense"], in the model's order
    conv2d     weight_names (attribute)   ["conv2d/kernel", "conv2d/bias"]
    conv2d/conv2d/kernel                  the values

A file of weights has this at its root, a file of a whole model under `model_weights`, with
the state of the optimizer, a list of the same kind, under `optimizer_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinyconv.backends import get_backend
from tinyconv.saving import optimizer_state
from tinyconv.saving.errors import FileError, some
from tinyconv.saving.hdf5 import h5py_module, read_names, write_names
from tinyconv.saving.matching import Matches
from tinyconv.training.warn import warn_user

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer
    from tinyconv.layers.variable import Variable
    from tinyconv.models.model import Model

KERAS_VERSION = "3.15.1"  # whose layout is written
BACKEND = "tensorflow"  # whose layout of kernels is written


def write(h5: Any, model: Model, include_optimizer: bool) -> None:
    """Fill `model_weights` and `optimizer_weights` of a new HDF5 file."""
    group = h5.create_group("model_weights")
    group.attrs["keras_version"], group.attrs["backend"] = KERAS_VERSION, BACKEND
    write_names(group, "layer_names", [layer.name for layer in model.layers])
    for layer in model.layers:
        values = [(weight.path, get_backend().to_numpy(weight.value)) for weight in _listed(layer)]
        _write_list(group.create_group(layer.name), values)
    _write_list(group.create_group("top_level_model_weights"), [])
    if include_optimizer and model.compiled and model.optimizer is not None:
        name = model.optimizer.name
        values = optimizer_state.named_values(model)
        values = [(f"{name}/{each}", value) for each, value in values]
        _write_list(h5.create_group("optimizer_weights"), values)


def weights_group(h5: Any) -> Any | None:
    """The group that holds the weights in this layout, or None."""
    for group in (h5, h5.get("model_weights")):
        if group is not None and read_names(group, "layer_names") is not None:
            return group
    return None


def match(group: Any, model: Model, matches: Matches, by_name: bool) -> None:
    """Find the value of every weight: layer by layer in order, or for the layers of its names.

    Raises:
        FileError: where the file does not fit the model.
    """
    saved = {
        name: _datasets(matches, group, name) for name in read_names(group, "layer_names") or ()
    }
    if by_name:
        pairs = [(layer, saved[layer.name]) for layer in model.layers if layer.name in saved]
        _warn_of_strangers(matches, model, {name for name, found in saved.items() if found})
    else:
        layers = [layer for layer in model.layers if layer.weights]
        filled = {name: found for name, found in saved.items() if found}
        if len(layers) != len(filled):
            hint = _where_else(model, set(filled))
            if any(layer.name in filled for layer in layers):
                hint = ". With by_name=True only layers of the same name are read"
            raise FileError(
                f"{matches.file}: {model!r} has {len(layers)} layers with weights, the file holds "
                f"{len(filled)}{hint}"
            )
        names = [layer.name for layer in layers]
        if names != list(filled) and set(names) == set(filled):
            warn_user(
                f"{matches.file}: the layers of {model!r} are there in another order; they are "
                "told by their names"
            )
            filled = {name: filled[name] for name in names}
        pairs = list(zip(layers, filled.values(), strict=True))
    for layer, found in pairs:
        variables = _in_order(layer, [name for name, _ in found])
        matches.add(layer, variables, [dataset for _, dataset in found], together=False)


def _warn_of_strangers(matches: Matches, model: Model, saved: set[str]) -> None:
    """Where no layer of the model has its name in the file, nothing would be read."""
    own = {layer.name for layer in model.layers if layer.weights}
    if not own or not own.isdisjoint(saved):
        return
    warn_user(
        f"{matches.file}: nothing is read: of the {len(own)} layers with weights of {model!r} "
        f"({some(own)}) none has the name of one of the {len(saved)} in the file "
        f"({some(saved)}){_where_else(model, saved)}"
    )


def _where_else(model: Model, saved: set[str]) -> str:
    """A hint, if some of these names are those of layers inside a model inside this one."""
    inside = [("model", layer) for layer in model.layers]
    for way, layer in inside:  # which grows
        way = f"{way}.get_layer({layer.name!r})"
        layers = getattr(layer, "layers", ())
        common = saved.intersection(each.name for each in layers if each.weights)
        if common:
            names = f"Layers of the same names ({some(common)}) are inside {layer!r}"
            return f". {names}: call {way}.load_weights(...)"
        inside += [(way, each) for each in layers]
    return ""


def optimizer_values(h5: Any, matches: Matches) -> list[tuple[str, Any]]:
    """(name, dataset) of the optimizer's variables; none where they were not saved."""
    return _datasets(matches, h5, "optimizer_weights") if "optimizer_weights" in h5 else []


def _listed(layer: Layer) -> list[Variable]:
    """The weights in the order of these files: all trained ones first."""
    return layer.trainable_weights + layer.non_trainable_weights


def _in_order(layer: Layer, names: Sequence[str]) -> list[Variable]:
    """The layer's weights in the order of the file.

    Which weights count as trained depends on what was frozen when the file was written; their
    names tell, or the last part of them where the layers have others here.
    """
    for parts in (2, 1):  # "block1_conv1/kernel", "kernel"
        by_name = {_last(weight.path, parts): weight for weight in layer.weights}
        wanted = [_last(name, parts) for name in names]
        if len(by_name) == len(wanted) == len(layer.weights) and by_name.keys() == set(wanted):
            return [by_name[name] for name in wanted]
    trained_first = sorted(layer.weights, key=lambda weight: weight.name in weight.layer.state)
    orders = [_listed(layer), trained_first, layer.weights]
    for order in orders:
        if [weight.name for weight in order] == wanted:
            return order
    return orders[0]


def _last(name: str, parts: int) -> str:
    """Its last parts, without the number of TensorFlow's output: "conv/kernel:0"."""
    return "/".join(name.partition(":")[0].split("/")[-parts:])


def _write_list(group: Any, values: Sequence[tuple[str, Any]]) -> None:
    write_names(group, "weight_names", [name for name, _ in values])
    for name, value in values:
        group[name] = value


def _datasets(matches: Matches, group: Any, name: str) -> list[tuple[str, Any]]:
    members = group.get(name)
    if not isinstance(members, h5py_module().Group):
        raise FileError(f"{matches.file}: there is no group {name!r} with the weights")
    found = []
    for weight in read_names(members, "weight_names") or ():
        dataset = members.get(weight)
        if not isinstance(dataset, h5py_module().Dataset):
            raise FileError(f"{matches.file}: the weight {weight!r} of {name!r} is missing")
        found.append((weight, dataset))
    return found
