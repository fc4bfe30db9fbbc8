"""The process for strange files: what ends it is told, it is started again, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from storyteller_exporter.sandbox.limits import UNLIMITED, Limits
from storyteller_exporter.sandbox.messages import Done, GraphFacts, Load, Read, Tokenize
from storyteller_exporter.sandbox.process import DEATHS, RefusedError, Sandbox, StoppedError

pytestmark = pytest.mark.usefixtures("own_process")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_process_is_told_and_started_again(exported: Path) -> None:
    with Sandbox(UNLIMITED) as sandbox:
        for _ in range(DEATHS):
            assert sandbox.ask(Read(str(exported)), GraphFacts).opset == 18
            assert sandbox._process is not None
            os.kill(sandbox._process.pid, signal.SIGKILL)
            with pytest.raises(StoppedError, match=r"it ended the process in which it was tried \(SIGKILL\)"):
                sandbox.ask(Load(str(exported)), Done)
        with pytest.raises(StoppedError, match=f"not tried: the file has ended its process {DEATHS} times"):
            sandbox.ask(Read(str(exported)), GraphFacts)


def test_time_is_counted_by_kind_of_request_and_ends_the_process(exported: Path) -> None:
    with Sandbox(Limits(0.001, 1 << 40)) as sandbox:
        process = sandbox._process
        assert process is not None
        with pytest.raises(StoppedError, match=r"stopped: it takes more than 0 s \(--time-limit\)"):
            sandbox.ask(Read(str(exported)), GraphFacts)
        assert not is_running(process.pid)
        with pytest.raises(StoppedError, match="not tried"):
            sandbox.ask(Read(str(exported)), GraphFacts)


def test_the_process_ends_with_its_sandbox_and_leaves_no_folder(exported: Path) -> None:
    with Sandbox(UNLIMITED) as sandbox:
        process, folder = sandbox._process, sandbox.folder
        assert process is not None
        assert folder.is_dir()
    assert not is_running(process.pid)
    assert not folder.exists()


def test_refusals_are_one_line_and_leave_the_process_as_it_was(tmp_path: Path) -> None:
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}\n")
    with Sandbox(UNLIMITED) as sandbox:
        process = sandbox._process
        for path in (broken, tmp_path / "none\n\x1b[31m.json"):
            with pytest.raises(RefusedError) as caught:
                sandbox.ask(Tokenize(str(path), []), Done)
            assert "\n" not in str(caught.value)
            assert "\x1b" not in str(caught.value)
        assert sandbox._process is process


def test_the_next_one_sweeps_the_folder_of_a_killed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the file lies in it, as large as that."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pid = os.fork()
    if pid == 0:  # a parent that cannot clean up
        with Sandbox(UNLIMITED) as sandbox:
            (sandbox.folder / "model.onnx").write_bytes(b"much")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert list(tmp_path.rglob("model.onnx"))
    with Sandbox(UNLIMITED) as sandbox:
        assert list(tmp_path.iterdir()) == [sandbox.folder]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the parent-death signal is Linux's")
def test_the_process_ends_when_its_parent_is_killed(exported: Path) -> None:
    pid = os.fork()
    if pid == 0:  # a parent that cannot clean up
        sandbox = Sandbox(UNLIMITED)
        process = sandbox._start()
        Path("child").write_text(str(process.pid))
        time.sleep(60)
        os._exit(0)
    while not Path("child").exists() or not Path("child").read_text():
        time.sleep(0.02)
    child = int(Path("child").read_text())
    time.sleep(0.5)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for _ in range(500):
        if not Path(f"/proc/{child}").exists() or ") Z " in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    pytest.fail("it is running on")


@pytest.mark.parametrize(("reason", "told"), [("no key", "a.json: no key"), ("a.json is broken", "a.json is broken")])
def test_a_refusal_names_the_file_once(reason: str, told: str) -> None:
    assert RefusedError(reason).about(Path("a.json")) == told
