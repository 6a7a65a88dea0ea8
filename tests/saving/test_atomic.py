"""A file is the old one or the whole new one: full disks, exceptions, missing folders."""

import errno
import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("h5py")

from tests.saving.models import network
from tinyconv.saving import atomic, load_model

ENDINGS = (".keras", ".h5", ".weights.h5")


def save(model, file):
    model.save_weights(file) if file.name.endswith(".weights.h5") else model.save(file)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullFile:
    """A file on a disk that takes 1,000 bytes more."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[:1000])
        no_space()


STEPS = {
    "write": lambda patch: patch.setattr(
        "builtins.open", lambda *a, _open=open, **k: FullFile(_open(*a, **k))
    ),
    "fsync": lambda patch: patch.setattr(os, "fsync", no_space),
    "rename": lambda patch: patch.setattr(os, "replace", no_space),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_leaves_the_old_file(step, ending, tmp_path, monkeypatch):
    file, model = tmp_path / f"model{ending}", network()
    save(model, file)
    old = file.read_bytes()
    with monkeypatch.context() as patch:
        STEPS[step](patch)
        with pytest.raises(OSError, match=r"could not write it.*No space left") as caught:
            save(model, file)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(file)
    assert file.read_bytes() == old
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    save(model, file)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_real_limit_on_the_size_of_files(ending, tmp_path):
    """The kernel itself refuses the write, in a process of its own."""
    file = tmp_path / f"model{ending}"
    save(network(), file)
    old = file.read_bytes()
    program = f"""
        import resource, signal
        from pathlib import Path
        from tests.saving.models import network
        from tests.saving.test_atomic import save
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        model = network()
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        try:
            save(model, Path({str(file)!r}))
        except OSError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "could not write it (File too large); nothing there has changed" in done.stdout
    assert str(file) in done.stdout
    assert file.read_bytes() == old
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError("odd")], ids=repr)
def test_whatever_comes_up_leaves_no_temporary_file(error, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def write():
        with atomic.atomic_path(file) as temporary:
            temporary.write_bytes(b"half of the")
            raise error

    with pytest.raises(type(error)):
        write()
    assert file.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_folder(ending, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.model"):
        save(network(), tmp_path / "nowhere" / f"model{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_that_can_not_be_written_leaves_the_old_file(ending, tmp_path, monkeypatch):
    file, model = tmp_path / f"model{ending}", network()
    model.save(file)
    old = file.read_bytes()
    monkeypatch.setattr(type(model.layers[0]), "get_config", lambda self: {"x": object()})
    with pytest.raises(TypeError, match="serializ"):
        model.save(file)
    assert file.read_bytes() == old
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_folders_that_can_not_be_opened_do_not_matter(tmp_path, monkeypatch):
    file = tmp_path / "model.keras"
    monkeypatch.setattr(os, "open", no_space)
    network().save(file)
    monkeypatch.undo()
    assert load_model(file).built


def test_the_file_and_its_folder_are_on_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    atomic.write_bytes(tmp_path / "file", b"content")
    assert len(synced) == 2
    assert synced[0].startswith(str(tmp_path / ".file."))
    assert synced[1] == str(tmp_path)
