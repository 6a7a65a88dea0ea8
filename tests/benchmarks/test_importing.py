"""`python -m benchmarks import`."""

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.importing import imports, once


def test_the_command(tmp_path, capsys):
    numbers, picture = tmp_path / "import.json", tmp_path / "import.png"
    main(
        ["import", "--rounds", "2", "--contenders", "numpy", "tf.keras", "--json", str(numbers),
         "--plot", str(picture)]
    )  # fmt: skip
    found = json.loads(numbers.read_text())["results"]["import"]
    contenders = found["contenders"]
    assert list(contenders) == ["tinyconv", "tinyconv (numpy)", "tf.keras"]
    for each in contenders.values():
        assert len(each["values"]) == 2
        assert each["peak_memory"] > each["import_memory"] > 0
    assert contenders["tinyconv"]["peak_memory"] < contenders["tf.keras"]["peak_memory"]
    assert found["fastest_peer"] == "tf.keras"
    assert "Python's own start" in found["excluded"]
    assert "tinyconv (numpy)" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_who_takes_part():
    names = [each.name for each in imports(["numba", "numpy", "tf.keras", "torch"])]
    assert names == ["tinyconv", "tinyconv (numba)", "tinyconv (numpy)", "tf.keras", "PyTorch"]


def test_an_import_that_fails_is_told():
    with pytest.raises(RuntimeError, match="no_such_module"):
        once("import no_such_module")
