"""Logs whose numbers are read at the first look: a dict in every other way."""

import copy
import json
import pickle

from tinyconv.backends.cuda.deferred import DeferredLogs


def test_deferred_logs_are_a_dict():
    reads = []

    def read():
        reads.append(1)
        return {"loss": 1.5, "accuracy": 0.5}

    def logs():
        return DeferredLogs(["loss", "accuracy"], read)

    expected = {"loss": 1.5, "accuracy": 0.5}
    silent = logs()
    assert len(silent) == 2
    assert "loss" in silent
    assert list(silent) == ["loss", "accuracy"]
    assert not reads
    assert silent["loss"] == 1.5
    assert silent["accuracy"] == 0.5
    assert len(reads) == 1
    assert dict(logs()) == {**logs()} == logs() == logs().copy() == expected
    assert list(logs().values()) == [1.5, 0.5]
    assert list(logs().items()) == list(expected.items())
    assert logs().get("accuracy") == 0.5
    assert logs().get("missing") is None
    assert logs().pop("loss") == 1.5
    assert logs() | {"a": 1} == {**expected, "a": 1}
    assert {"a": 1} | logs() == {"a": 1, **expected}
    assert repr(logs()) == repr(expected)
    changed = logs()
    changed["loss"] = 3.0
    assert dict(changed) == {"loss": 3.0, "accuracy": 0.5}
    changed = logs()
    changed.update({"val_loss": 2.0})
    assert dict(changed) == {**expected, "val_loss": 2.0}
    assert copy.deepcopy(logs()) == expected
    assert pickle.loads(pickle.dumps(logs())) == expected
    assert json.dumps(logs()) == json.dumps(expected)
