import pytest

from tests.training.models import classifier, problem
from tinyconv.callbacks import Callback, LambdaCallback

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def test_every_function_is_called_with_what_its_hook_gets():
    calls, method_calls = [], []

    def note(name):
        return lambda *arguments: calls.append((name, *arguments))

    def method(name):
        def call(self, *arguments):
            getattr(Callback, name)(self, *arguments)
            method_calls.append((name, *arguments))

        return call

    wanted = [name for name in HOOKS if name not in ("on_batch_begin", "on_batch_end")]
    writer = type("Writer", (Callback,), {name: method(name) for name in wanted})()
    functions = LambdaCallback(**{name: note(name) for name in wanted})
    classifier().fit(
        *problem(), 8, 2, verbose=0, validation_split=0.5, callbacks=[functions, writer]
    )
    assert calls == method_calls
    assert len(calls) > 20


def test_functions_as_keras_programs_write_them():
    seen = []
    classifier().fit(
        *problem(), 22, verbose=0,
        callbacks=LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))),
            on_train_batch_end=lambda batch, logs: seen.append(batch),
            on_train_end=lambda logs: seen.append("end"),
            on_epoch_begin=None,
        ),
    )  # fmt: skip
    assert seen == [0, (0, ["accuracy", "loss"]), "end"]


def test_a_wrong_name_is_told():
    with pytest.raises(TypeError, match=r"argument 'on_epoch_ends'\..*on_epoch_end"):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match=r"on_epoch_end must be a function\. Received: 3"):
        LambdaCallback(on_epoch_end=3)
