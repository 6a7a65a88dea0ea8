"""Kernels that call each other without being compiled into each other.

Numba copies a function that a kernel calls into that kernel, and LLVM optimises the copy
again. Our kernels are nested four deep, with whole micro-kernels in the innermost: that
made up most of the time that compiling took. So

    tiles = jit_inner(tiles_loops)

is compiled once, on its own. Whoever calls it from another kernel jumps to its machine
code, by a name that LLVM looks up as it would look up a function of the C library:

    forward_kernel --calls--> "tinyconv.…tiles_loops-<hash>" --is--> address in this process

A jump costs some nanoseconds, about one for each array handed over; what is smaller than
that is better compiled into its caller (plain `jit`).

A kernel that comes from the disk finds there, too, which others it calls: kernel_cache.py
asks `load` to provide them first.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter, Signature, signature
from typing import Any

from llvmlite import binding
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

Call = tuple[str, tuple[Any, ...]]  # a kernel's identity, the types of its arguments

_kernels: dict[str, Any] = {}  # that may be called, by identity
_calls: dict[str, Call] = {}  # what the names stand for that LLVM has been told,
_libraries: list[Any] = []  # and what holds their machine code, which must not go


def linked(kernel: Any) -> Any:
    """A compiled function without result, for use inside others; see above."""
    if not hasattr(kernel, "overloads"):  # NUMBA_DISABLE_JIT: all is plain Python
        return kernel
    identity = kernel._cache.identity
    _kernels[identity] = kernel

    def call(typing, *arguments):  # type: ignore[no-untyped-def]
        kernel.compile(arguments)

        def generate(context, builder, types_of, values):  # type: ignore[no-untyped-def]
            convention = context.call_conv
            function = cgutils.get_or_insert_function(
                builder.module,
                convention.get_function_type(types.none, types_of.args),
                _provide(identity, types_of.args, context),
            )
            status, _ = convention.call_function(
                builder, function, types.none, types_of.args, values
            )
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(*arguments), generate

    # Numba wants to know the arguments one by one.
    own = signature(kernel.py_func).parameters.values()
    first = Parameter("typing", Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = Signature([first, *own])  # type: ignore[attr-defined]
    return intrinsic(call)


def _provide(identity: str, arguments: tuple[Any, ...], context: Any) -> str:
    """Tell LLVM the address of a kernel for arguments of these types; returns its name."""
    kernel = _kernels[identity]
    kernel.compile(arguments)
    name: str = f"tinyconv.{kernel._cache.name(arguments, context.codegen())}"
    if name not in _calls:
        compiled = kernel.overloads[arguments]
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        binding.add_symbol(name, address)
        _calls[name] = identity, arguments
        _libraries.append(compiled.library)
    return name


def calls(module: binding.ModuleRef) -> list[Call]:
    """The kernels that this compiled module calls."""
    return [_calls[each.name] for each in module.functions if each.name in _calls]


def load(wanted: Sequence[Call], context: Any) -> bool:
    """Provide these kernels, so that a module that calls them can be loaded.

    False if one is not known here: its module has not been imported.
    """
    if any(identity not in _kernels for identity, _ in wanted):
        return False
    for identity, arguments in wanted:
        _provide(identity, arguments, context)
    return True
