"""Every backend offers the operations of the contract, all of them and no others."""

import inspect
import re
from pathlib import Path

import pytest

from tests.backends.present import HOST
from tinyconv.backends.base import Backend
from tinyconv.backends.execution import Execution

OPERATIONS = sorted(Backend.__abstractmethods__)
EXECUTION = sorted(name for name in vars(Execution) if not name.startswith("_"))


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_every_operation_of_the_contract_is_abstract():
    offered = {name for name in public(Backend) if callable(getattr(Backend, name))}
    assert offered == {*OPERATIONS, *EXECUTION}


@pytest.mark.parametrize("operation", [*OPERATIONS, *EXECUTION])
def test_signature(backend: Backend, operation: str):
    offered = getattr(type(backend), operation)
    assert not getattr(offered, "__isabstractmethod__", False)
    assert inspect.signature(offered) == inspect.signature(getattr(Backend, operation))


def test_nothing_public_besides_the_contract(backend: Backend):
    assert public(type(backend)) | {"xp"} == {*OPERATIONS, *EXECUTION, "name", "xp"}


def test_name_and_array_module(backend: Backend, request: pytest.FixtureRequest):
    asked = request.node.callspec.params["backend"]
    assert backend.name == ("cupy" if asked == HOST else asked)
    assert isinstance(backend.asarray([1.0]), backend.xp.ndarray)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_test(operation: str):
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    called = re.compile(
        rf'backend\.{operation}\(|call\(\s*backend, "{operation}"|\("{operation}", '
    )
    assert any(called.search(source) for source in sources)
