"""Processes of one command: started, ended together, and never left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs import launch as launching
from storyteller_trainer.runs.launch import LOOPBACK, STORE, launch

#: Seconds. Far more than is needed, so that a busy machine fails no test, and a hanging one all the same ends.
PATIENCE = 60
#: What every process of these tests begins with.
BEGIN = """
import json, os, pathlib, signal, sys, time
from storyteller_trainer.runs.launch import join
join()
rank = os.environ["RANK"]
pathlib.Path(f"pid{rank}").write_text(f"{os.getpid()}\\n")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes the module that the processes run; returns its name."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(body: str) -> str:
        (tmp_path / "one_of_several.py").write_text(BEGIN + body)
        return "one_of_several"

    return write


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def pids(count: int = 2) -> list[int]:
    """Of the processes of a test, when they have joined."""
    files = [Path(f"pid{rank}") for rank in range(count)]
    wait_until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), "they do not begin")
    return [int(file.read_text()) for file in files]


def is_there(pid: int) -> bool:
    """Whether a process runs; what has ended and waits to be asked for its code does not."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return listed.strip() != "" and not listed.strip().startswith("Z")


def test_each_process_knows_its_number_and_has_the_arguments(module: Callable[[str], str]) -> None:
    name = module("pathlib.Path(f'told{rank}').write_text(json.dumps([sys.argv[1:], dict(os.environ)]))")
    assert launch(3, name, ["a b", "--c"]) == 0
    told = [json.loads(Path(f"told{rank}").read_text()) for rank in range(3)]
    assert [arguments for arguments, _ in told] == [["a b", "--c"]] * 3
    for rank, (_, variables) in enumerate(told):
        assert (variables["RANK"], variables["LOCAL_RANK"]) == (str(rank), str(rank))
        assert variables["WORLD_SIZE"] == variables["LOCAL_WORLD_SIZE"] == "3"
        assert variables["GLOO_SOCKET_IFNAME"] == variables["NCCL_SOCKET_IFNAME"] == LOOPBACK
        assert "MASTER_ADDR" not in variables
    (store,) = {Path(variables[STORE]) for _, variables in told}
    assert not store.parent.exists(), "nothing is left"


def test_the_code_of_the_one_that_failed_is_returned_and_the_others_end(
    module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "GRACE", 0.2)
    assert launch(2, module("sys.exit(3) if rank == '1' else time.sleep(999)"), []) == 3
    assert not any(map(is_there, pids()))


def test_others_have_time_to_say_what_is_wrong(module: Callable[[str], str]) -> None:
    body = "rank == '1' and sys.exit(1); time.sleep(0.5); pathlib.Path('said').write_text('it'); sys.exit(1)"
    assert launch(2, module(body), []) == 1
    assert Path("said").exists()


def test_one_that_does_not_want_to_end_is_killed(module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "GRACE", 0.2)
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path('deaf').touch(); time.sleep(999)"
    body = f"""
if rank == "0":
    {stubborn}
while not pathlib.Path("deaf").exists():
    time.sleep(0.01)
sys.exit(4)
"""
    assert launch(2, module(body), []) == 4
    assert not any(map(is_there, pids()))


def test_a_killed_process_is_named(module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "GRACE", 0.2)
    name = module("os.kill(os.getpid(), signal.SIGKILL) if rank == '1' else time.sleep(999)")
    with pytest.raises(StorytellerError, match=r"^process 1 of 2 was ended by SIGKILL; complete epochs are saved"):
        launch(2, name, [])


def start_launcher(name: str) -> subprocess.Popen[bytes]:
    code = f"import sys; from storyteller_trainer.runs.launch import launch; sys.exit(launch(2, {name!r}, []))"
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_handed_on_once(module: Callable[[str], str], number: signal.Signals, code: int) -> None:
    body = f"""
def leave(*_):
    with open(f"got{{rank}}", "a") as file:
        file.write("x")
    time.sleep(0.3)
    sys.exit({code})
signal.signal({int(number)}, leave)
pathlib.Path(f"ready{{rank}}").touch()
while True:
    time.sleep(0.01)
"""
    process = start_launcher(module(body))
    wait_until(lambda: all(Path(f"ready{rank}").exists() for rank in range(2)), "they do not begin")
    process.send_signal(number)
    assert process.wait(PATIENCE) == code
    assert [Path(f"got{rank}").read_text() for rank in range(2)] == ["x", "x"]


def test_ctrl_c_while_they_start_is_answered_by_all(module: Callable[[str], str]) -> None:
    process = start_launcher(module("time.sleep(999)"))
    found: list[str] = []

    def started() -> bool:
        command = ["ps", "-A", "-o", "pid=,ppid="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[:] = [line.split()[0] for line in listed.splitlines() if int(line.split()[1]) == process.pid]
        return len(found) == 2

    wait_until(started, "they do not start")
    process.send_signal(signal.SIGINT)  # most likely before their first line of ours
    assert process.wait(PATIENCE) == 130
    assert not any(is_there(int(pid)) for pid in found)


def test_they_end_when_the_launcher_is_killed(module: Callable[[str], str]) -> None:
    process = start_launcher(module("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); time.sleep(999)"))
    running = pids()
    assert all(map(is_there, running))
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_there, running)), "they go on without a parent")


def test_the_next_launcher_sweeps_what_a_killed_one_left(
    module: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setenv("TMPDIR", str(own))
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    process = start_launcher(module("time.sleep(999)"))
    pids()
    (folder,) = own.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700, "only this user may meet the processes"
    assert launch(1, module("pass"), []) == 0
    assert list(own.iterdir()) == [folder], "that of a launcher that lives stays"
    process.kill()
    process.wait()
    assert list(own.iterdir()) == [folder]
    assert launch(1, module("pass"), []) == 0
    assert list(own.iterdir()) == []


def test_where_the_kernel_does_not_do_it_the_parent_is_watched(tmp_path: Path) -> None:
    child = "import os, time; from storyteller_trainer.runs import launch; launch.sys.platform = 'darwin'; "
    child += "launch.end_with(os.getppid()); print(os.getpid(), flush=True); time.sleep(999)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    watched = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: not is_there(watched), "it goes on without a parent")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the parent is watched")
def test_one_whose_parent_is_gone_already_ends_at_once() -> None:
    code = f"from storyteller_trainer.runs.launch import end_with; end_with({os.getppid()}); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
