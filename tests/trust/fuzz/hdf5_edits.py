"""Changes to HDF5 files through h5py: well-formed files that say what should not be believed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np

from tests.trust.fuzz import values

_NAMES = (
    "", ".", "..", "../x", "/", "a/b", "layers", "dense", "x" * 3000, "\x1b[31m", "\ud800", "vars",
    "kernel", "0", "-1", "99999999999999999999",
)  # fmt: skip
_DTYPES = (
    "f2", "f4", "f8", ">f4", ">f8", "i1", "u1", "i8", "u8", "?", "c8", "S3", "g", "V7",
    [("a", "f4"), ("b", "i4")], "(3,)f4",
)  # fmt: skip
_JSON = ("model_config", "training_config", "tinyconv_input_record")


def edited(rng: Random, content: bytes) -> tuple[bytes, str]:
    """The file with one to three changes, and their names."""
    file, names = io.BytesIO(content), []
    with h5py.File(file, "r+") as h5:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            change = rng.choice(_CHANGES)
            try:
                change(rng, h5)
                names.append(change.__name__.strip("_"))
            except Exception:
                names.append(f"no {change.__name__.strip('_')}")  # h5py will not write such a thing
    return file.getvalue(), "h5 " + "+".join(names)


def newer(content: bytes) -> bytes:
    """The same content in HDF5's later layout: another superblock, other trees and heaps."""
    file = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as old, h5py.File(file, "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
    return file.getvalue()


def packed(content: bytes) -> bytes:
    """The same content, its arrays in compressed pieces."""
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as h5:
        for name in _members(h5, h5py.Dataset):
            data = h5[name][()]
            if data.size > 1:
                del h5[name]
                h5.create_dataset(
                    name, data=data, compression="gzip", shuffle=True, fletcher32=True
                )
    return file.getvalue()


def _members(h5: Any, kind: Any) -> list[str]:
    names: list[str] = []
    h5.visititems(lambda name, member: names.append(name) if isinstance(member, kind) else None)
    return names


def _dataset(rng: Random, h5: Any) -> str:
    return rng.choice(_members(h5, h5py.Dataset))


def _holder(rng: Random, h5: Any) -> Any:
    """A group or array, the file itself among them."""
    return h5[rng.choice(["/", "/", *_members(h5, object)])]


def _replaced(rng: Random, h5: Any, **how: Any) -> None:
    name = _dataset(rng, h5)
    del h5[name]
    h5.create_dataset(name, **how)


# ---- arrays ---------------------------------------------------------------------


def _shape(rng: Random, h5: Any) -> None:
    name = _dataset(rng, h5)
    old = np.asarray(h5[name][()])
    shapes = ((), (0,), (1,), (0, 5), (2, 0), old.shape[::-1], (*old.shape, 1), (1, *old.shape))
    shape = rng.choice((*shapes, tuple(n + 1 for n in old.shape), (1,) * 32))
    del h5[name]
    h5[name] = np.resize(old, shape)


def _dtype(rng: Random, h5: Any) -> None:
    name = _dataset(rng, h5)
    shape, dtype = h5[name].shape, np.dtype(rng.choice(_DTYPES))
    del h5[name]
    h5.create_dataset(name, data=np.zeros(shape, dtype))


def _special_dtype(rng: Random, h5: Any) -> None:
    kinds = (
        h5py.string_dtype(), h5py.vlen_dtype("f4"), h5py.ref_dtype, h5py.regionref_dtype,
        h5py.enum_dtype({"a": 0, "b": 1}), h5py.opaque_dtype(np.dtype("datetime64[s]")),
    )  # fmt: skip
    _replaced(rng, h5, shape=rng.choice(((), (2, 3), (10**6,))), dtype=rng.choice(kinds))


def _giant(rng: Random, h5: Any) -> None:
    shape = rng.choice(
        ((10**6, 10**6), (2**40,), (2**31, 2**31), (10**8,), (3, 10**9), (5 * 10**6,))
    )
    chunks = tuple(min(n, 1000) for n in shape)
    packing = rng.choice((None, "gzip", "lzf"))
    dtype = rng.choice(("f4", "u1", "f8", "?"))
    _replaced(rng, h5, shape=shape, dtype=dtype, chunks=chunks, compression=packing)


def _giant_chunk(rng: Random, h5: Any) -> None:
    old = h5[_dataset(rng, h5)]
    width = rng.choice((10**6, 10**8, 2**32 // 4 - 1))
    shape = old.shape or (4,)
    _replaced(
        rng, h5, shape=shape, maxshape=(None,) * len(shape), dtype="f4",
        chunks=(width, *(1 for _ in shape[1:])), compression=rng.choice((None, "gzip")),
    )  # fmt: skip


def _packing(rng: Random, h5: Any) -> None:
    name = _dataset(rng, h5)
    data = np.atleast_1d(np.asarray(h5[name][()]))
    del h5[name]
    how = rng.choice(
        (
            {"compression": "gzip"}, {"compression": "lzf"}, {"scaleoffset": 3}, {"shuffle": True},
            {"fletcher32": True}, {"compression": "gzip", "shuffle": True, "fletcher32": True},
        )
    )  # fmt: skip
    h5.create_dataset(name, data=data, chunks=True, **how)


def _bomb(rng: Random, h5: Any) -> None:
    """A compressed piece that unpacks to more than its array can hold."""
    import zlib

    name = _dataset(rng, h5)
    shape = h5[name].shape or (1,)
    del h5[name]
    made = h5.create_dataset(name, shape, "f4", chunks=shape, compression="gzip")
    zeros = zlib.compress(bytes(rng.choice((1 << 16, 1 << 22, 1 << 26))), 1)
    made.id.write_direct_chunk((0,) * len(shape), zeros)


def _numbers(rng: Random, h5: Any) -> None:
    name = _dataset(rng, h5)
    data = np.asarray(h5[name][()])
    wild = (np.nan, np.inf, -np.inf, 1e38, -1.0, 0.0, 1e-45, 0.5)
    with np.errstate(all="ignore"):
        data[...] = np.asarray(rng.choice(wild)).astype(data.dtype)
    h5[name][...] = data


def _external_storage(rng: Random, h5: Any) -> None:
    path = rng.choice(("/etc/passwd", "/dev/zero", "missing", "../up"))
    _replaced(rng, h5, shape=(48, 2), dtype="f4", external=[(path, 0, 384)])


def _virtual(rng: Random, h5: Any) -> None:
    name, path = _dataset(rng, h5), rng.choice((".", "/etc/passwd", "missing.h5"))
    shape = h5[name].shape or (4,)
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource(path, "x", shape)
    del h5[name]
    h5.create_virtual_dataset(name, layout)


# ---- groups and links -------------------------------------------------------------


def _link(rng: Random, h5: Any) -> None:
    names = _members(h5, object)
    name, other = rng.choice(names), rng.choice(names)
    kinds = (
        h5py.SoftLink(f"/{other}"), h5py.SoftLink(f"/{name}"), h5py.SoftLink("/nowhere"),
        h5py.ExternalLink("/etc/passwd", "/x"), h5py.ExternalLink(".", "/"), h5[other], h5["/"],
    )  # fmt: skip
    link = rng.choice(kinds)
    if rng.random() < 0.7:
        del h5[name]
        h5[name] = link
    else:
        h5[f"{name}_more"] = link


def _gone(rng: Random, h5: Any) -> None:
    del h5[rng.choice(_members(h5, object))]


def _other_kind(rng: Random, h5: Any) -> None:
    name = rng.choice(_members(h5, object))
    was_group = isinstance(h5[name], h5py.Group)
    del h5[name]
    if rng.random() < 0.2:
        h5[name] = np.dtype("f4")  # a named type
    elif was_group:
        h5[name] = np.zeros(3, "f4")
    else:
        h5.create_group(name)


def _renamed(rng: Random, h5: Any) -> None:
    name = rng.choice(_members(h5, object))
    parent = name.rpartition("/")[0]
    h5.move(name, f"{parent}/{rng.choice(_NAMES)}".lstrip("/"))


def _copied(rng: Random, h5: Any) -> None:
    names = _members(h5, object)
    source, target = rng.choice(names), rng.choice(_members(h5, h5py.Group))
    h5.copy(source, f"{target}/{rng.choice(('0', '1', '2', 'dense_1', 'vars', 'kernel', 'more'))}")


def _deep(rng: Random, h5: Any) -> None:
    group = h5[rng.choice(["/", *_members(h5, h5py.Group)])]
    for _ in range(rng.choice((3, 50, 400))):
        group = group.create_group("layers")


def _wide(rng: Random, h5: Any) -> None:
    group = h5[rng.choice(["/", *_members(h5, h5py.Group)])]
    for number in range(rng.choice((3, 100, 400))):
        group.create_group(f"w{number}")


# ---- attributes --------------------------------------------------------------------


def _attribute(rng: Random, h5: Any) -> None:
    holder = _holder(rng, h5)
    known = ("layer_names", "weight_names", "name", "model_config", "backend", "layer_names0")
    name = rng.choice([*holder.attrs, *known])
    strange = (
        0, -1, 1.5, np.nan, "", "x", b"\xff\xfe", [], [b""], [b"dense"], [b"dense"] * 500,
        ["ä", "b"], np.zeros((2, 3)), np.zeros(0), np.full((50, 50), b"kernel"), h5py.Empty("f4"),
        h5py.Empty("S5"), [b"../../model_weights"], [b"."], [b"dense", b"dense"], [3, 4], True,
        np.zeros(3, [("a", "f4")]), h5.ref, "x" * 60_000, b"x" * 60_000, [b"\0"], "\x1b[2J",
        np.array(["same"] * 900, h5py.string_dtype()),
        np.array([b"\xff"], h5py.string_dtype("utf-8")),
    )  # fmt: skip
    value = rng.choice(strange)
    if name in holder.attrs:
        del holder.attrs[name]
    if rng.random() < 0.9:
        holder.attrs[name] = value


def _listed_names(rng: Random, h5: Any) -> None:
    """A list of names with another one in it, or one less."""
    lists = []
    for place in ["/", *_members(h5, h5py.Group)]:
        lists += [(place, name) for name in h5[place].attrs if name.endswith("_names")]
    if not lists:
        return
    place, name = rng.choice(lists)
    names = [bytes(each) for each in h5[place].attrs[name]]
    index = rng.randrange(len(names) + 1)
    way = rng.random()
    if way < 0.4 and index < len(names):
        names[index] = rng.choice(_NAMES).encode("utf-8", "surrogatepass")
    elif way < 0.6:
        names.insert(index, rng.choice([*names, b"more"]))
    elif way < 0.8:
        rng.shuffle(names)
    elif index < len(names):
        del names[index]
    h5[place].attrs[name] = names


def _configuration(rng: Random, h5: Any) -> None:
    """The JSON of a whole model."""
    known = [name for name in _JSON if name in h5.attrs]
    if not known:
        return
    name = rng.choice(known)
    tree, _ = values.changed(rng, json.loads(h5.attrs[name]))
    text = values.text_of(rng, tree)
    del h5.attrs[name]
    h5.attrs[name] = text


_CHANGES: tuple[Callable[[Random, Any], None], ...] = (
    _shape, _shape, _dtype, _dtype, _special_dtype, _giant, _giant_chunk, _packing, _bomb, _numbers,
    _numbers, _external_storage, _virtual, _link, _link, _gone, _other_kind, _renamed, _copied,
    _deep, _wide, _attribute, _attribute, _attribute, _listed_names, _listed_names, _configuration,
    _configuration,
)  # fmt: skip
