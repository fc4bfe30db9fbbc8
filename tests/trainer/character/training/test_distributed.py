"""Several processes are one run: the same numbers, one writer, one voice, and an end when one of them dies."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_encoders
import torch
from click.testing import CliRunner
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.character.training.training_network import TrainingNetwork, masked
from storyteller_trainer.commands import train_character_model
from storyteller_trainer.commands.train_character_model import MODULE, main
from storyteller_trainer.runs import distributed
from storyteller_trainer.runs.distributed import Share

#: No batch of this size can be divided evenly, nor can the last one, of 27.
OPTIONS = ("--device", "cpu", "--batch-size", "51")
COMMAND = (sys.executable, "-m", MODULE)
LAUNCHER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python")
#: Seconds. Far more than is needed, so that a busy machine fails no test, and a hanging one all the same ends.
PATIENCE = 120

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command whose processes are ended after the test, whatever became of it."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path) -> subprocess.Popen[str]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([*map(str, arguments)], stdout=pipe, stderr=pipe, text=True, env=environment))
        return started[-1]

    yield begin
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def alone(*arguments: str | Path) -> None:
    done = CliRunner().invoke(main, [*map(str, arguments), *OPTIONS])
    assert done.exit_code == 0, done.output


def losses(folder: str) -> list[float]:
    """Validation losses, by epoch."""
    history = Path(folder) / "history.jsonl"
    rows = history.read_text().splitlines() if history.exists() else []
    return [json.loads(row)["validation"]["total"] for row in rows]


def wait_for_epochs(process: subprocess.Popen[str], folder: str, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(losses(folder)) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.02)


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a process has started, oldest first."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [[int(number) for number in line.split()] for line in listed.splitlines()]
    return sorted(pid for pid, parent in pairs if parent == process.pid)


def is_there(pid: int) -> bool:
    """Whether a process runs; what has ended and waits to be asked for its code does not.

    One whose first thread alone has ended (`Zl`) does: its files are open, and locked.
    """
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    state = listed.strip()
    return state != "" and (not state.startswith("Z") or "l" in state)


@pytest.mark.parametrize(("parts", "shares"), [(1, 1), (3, 1), (4, 2), (7, 3)])
@pytest.mark.parametrize("total", [1, 2, 3, 7, 256])
def test_the_shares_of_a_batch_are_all_of_it(
    monkeypatch: pytest.MonkeyPatch, total: int, parts: int, shares: int
) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 3)
    means, counted = torch.zeros(1), list[int]()
    values = torch.randn(total)
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        of_process = distributed.shares(total, parts)
        assert len(of_process) == shares
        for share in of_process:
            own = list(range(total))[share.rows]
            assert own, "a mean needs a row"
            counted += own if share.weight else []
            means += values[share.rows].mean() * share.weight
    assert counted == list(range(total))
    torch.testing.assert_close(means[0], values.mean())


def test_one_process_has_the_whole_batch() -> None:
    assert distributed.shares(7) == [Share(slice(0, 7), 1.0)]
    assert distributed.is_leader()
    assert distributed.by_leader(lambda: 5, int) == 5


def test_one_process_divides_a_batch_as_two_do(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [share.rows for share in distributed.shares(51, 2)]
    monkeypatch.setattr(distributed, "size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        assert [share.rows for share in distributed.shares(51, 2)] == [alone[rank]]


def test_dropout_of_a_share_is_that_of_the_whole_batch() -> None:
    features = torch.randn(10, 453)
    network = TrainingNetwork(CharacterModel(0.3), torch.arange(453))
    torch.manual_seed(3)
    expected = network.model.trunk(features)
    torch.manual_seed(3)
    masks = network.draw_masks(10)
    for rows in (slice(0, 4), slice(4, 7), slice(7, 10)):
        found = masked(network.model.trunk, features[rows], [mask[rows] for mask in masks])
        torch.testing.assert_close(found, expected[rows])
    assert not torch.equal(expected, network.eval().model.trunk(features)), "units were left out"
    without = TrainingNetwork(CharacterModel(0.0), torch.arange(453))
    assert without.draw_masks(10) == []
    assert torch.equal(masked(without.model.trunk, features, []), without.model.trunk(features))


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("mps", "several processes cannot train on mps; add --device cpu"),
        ("cuda:0", "2 processes cannot share cuda:0; say cuda, and each takes a device of its own"),
        ("cuda", "2 processes need a CUDA device each, and this machine has 1; start fewer, or add --device cpu"),
    ],
)
def test_a_device_that_processes_cannot_share_is_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert distributed.own_device(torch.device(device)) == torch.device(device), "one process may"
    for name, value in {"TORCHELASTIC_RUN_ID": "run", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorytellerError, match=f"^{message}$"):
        distributed.own_device(torch.device(device))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed.own_device(torch.device("cuda")) == torch.device("cuda:1")
    assert distributed.own_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("number", ["0", "x", "1.5"])
def test_a_number_of_processes_that_is_none_is_wrong_use(number: str) -> None:
    done = CliRunner().invoke(main, ["--processes", number])
    assert done.exit_code == 2
    assert f"Invalid value for '--processes': {number}" in done.stderr.replace("'" + number + "'", number)


def test_each_process_has_the_arguments_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def launched(*arguments: object) -> int:
        given.extend(arguments)
        return 7

    monkeypatch.setattr(train_character_model, "launch", launched)
    monkeypatch.setattr(sys, "argv", ["train-character-model", "the data", "--processes", "2"])
    Path("the data").write_text("looked into by nobody")
    assert CliRunner().invoke(main, sys.argv[1:]).exit_code == 7
    assert given == [2, MODULE, ["the data", "--processes", "2"]]


@pytest.mark.slow
def test_two_processes_compute_by_the_threads_of_the_first(small_jsonl: Path, start: Start) -> None:
    arguments = [*COMMAND, str(small_jsonl), "--processes", "2", "--output-dir", "two", *OPTIONS]
    _, messages = start(*arguments, "--epochs", "1", "--threads", "auto").communicate(timeout=PATIENCE)
    assert re.search(r"^Computing by 1 thread a process: \d+\.\d of \d+ CPUs are free ", messages, re.MULTILINE)
    assert json.loads(Path("two/run.json").read_text())["threads"] == 1


@pytest.mark.slow
def test_two_processes_get_the_losses_of_one(small_jsonl: Path, start: Start) -> None:
    # A low rate: at Muon's usual one, rounding grows from epoch to epoch.
    arguments = [str(small_jsonl), "--epochs", "3", "--memory-limit", "0", "--muon-lr", "0.005"]
    two = ("--processes", "2", "--threads", "2")
    process = start(*COMMAND, *arguments, *OPTIONS, *two, "--output-dir", "two", "--json")
    alone(*arguments, "--output-dir", "one")
    shown, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, messages
    assert losses("two") == pytest.approx(losses("one"), abs=1e-3)
    assert json.loads(shown).items() <= json.loads(Path("two/run.json").read_text()).items(), "one process speaks"
    assert "Training on cpu, 2 processes" in messages
    assert messages.count("Computing by ") == 1
    assert "Computing by 2 threads a process, as --threads or OMP_NUM_THREADS says" in messages
    assert json.loads(Path("two/run.json").read_text())["threads"] == 2
    assert [line.split()[1] for line in messages.splitlines() if line.startswith("epoch ")] == ["1/3", "2/3", "3/3"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["default", "reference"])
def test_one_process_that_divides_its_batches_ends_with_the_bits_of_two(
    small_jsonl: Path, start: Start, recipe: str
) -> None:
    # Of the default recipe, too, with the dropout that it has no more.
    arguments: list[str | Path] = [
        small_jsonl,
        "--recipe",
        recipe,
        "--dropout",
        "0.3",
        "--epochs",
        "4",
        *OPTIONS,
        "--accumulate",
        "2",
        "--threads",
        "1",
    ]
    process = start(*COMMAND, *arguments, "--processes", "2", "--output-dir", "2")
    alone(*arguments, "--output-dir", "1")
    _, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, messages
    assert losses("1") == losses("2")
    assert Path("1/best.safetensors").read_bytes() == Path("2/best.safetensors").read_bytes()


@pytest.mark.slow
def test_killed_resumed_by_one_process_then_two_and_stopped_by_ctrl_c(small_jsonl: Path, start: Start) -> None:
    arguments = [str(small_jsonl), "--recipe", "reference", "--patience", "99999"]
    endless = [*COMMAND, *arguments, *OPTIONS, "--output-dir", "run", "--epochs", "99999", "--processes", "2"]

    process = start(*endless)
    wait_for_epochs(process, "run", 2)
    os.kill(children(process)[-1], signal.SIGKILL)
    _, messages = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Error: process 1 of 2 was ended by SIGKILL; complete epochs are saved, and --resume goes on" in messages
    assert "Traceback" not in messages
    done = len(losses("run"))
    alone(*arguments, "--output-dir", "run", "--epochs", str(done + 2), "--resume")

    process = start(*endless, "--resume")
    wait_for_epochs(process, "run", done + 4)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    stopped, again = messages.splitlines()[-2:]
    done = len(losses("run"))
    assert stopped == f"stopped by Ctrl-C during epoch {done + 1}: {done} epochs are saved in run; go on with:"
    assert again == f"  train-character-model {small_jsonl} --output-dir run --device cpu --resume --processes 2"

    alone(*arguments, "--output-dir", "whole", "--epochs", str(done))
    assert losses("run") == pytest.approx(losses("whole"), abs=1e-3)


def sockets(pids: list[int]) -> list[tuple[str, str]]:
    """State (`0A` listens) and own address, as the kernel writes it, of each socket of some processes."""
    links = [link for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()]
    own = {str(link.readlink()) for link in links if link.is_symlink()}
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            columns = line.split()
            if f"socket:[{columns[9]}]" in own:
                found.append((columns[3], columns[1].split(":")[0]))
    return found


@pytest.fixture
def unpickled(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Python processes that are started from now on note here where they unpickle."""
    noted = Path("unpickled").absolute()
    monkeypatch.setenv("UNPICKLED", str(noted))
    monkeypatch.setenv("PYTHONPATH", str(Path(tiny_encoders.__file__).with_name("unpickling")), prepend=os.pathsep)
    subprocess.run([sys.executable, "-c", "import pickle; pickle.loads(pickle.dumps(1))"], check=True)
    assert noted.read_text() == "<string>\n", "the test sees what it looks for"
    noted.unlink()
    return noted


@pytest.mark.slow
def test_two_processes_listen_to_nobody_else_unpickle_nothing_and_end_when_their_launcher_is_killed(
    small_jsonl: Path, start: Start, unpickled: Path
) -> None:
    arguments: list[str | Path] = [small_jsonl, "--recipe", "reference", "--patience", "99999", "--output-dir", "run"]
    process = start(*COMMAND, *arguments, *OPTIONS, "--processes", "2", "--epochs", "99999")
    wait_for_epochs(process, "run", 2)
    running = children(process)
    assert len(running) == 2
    if sys.platform == "linux":  # which shows sockets in /proc
        found = sockets([process.pid, *running])
        # 127.0.0.1 and ::1
        loopback = {"0100007F", "00000000000000000000000001000000"}
        assert {address for _, address in found} <= loopback
        assert len([state for state, _ in found if state == "0A"]) >= 2, "each of the two listens to the other"
    assert not unpickled.exists(), unpickled.read_text()

    process.kill()
    process.wait()
    deadline = time.monotonic() + PATIENCE
    while any(map(is_there, running)):
        assert time.monotonic() < deadline, "they train on"
        time.sleep(0.01)
    done = len(losses("run"))
    alone(*arguments, "--epochs", str(done + 1), "--resume")


@pytest.mark.slow
def test_bad_data_is_told_once(start: Start) -> None:
    Path("bad.jsonl").write_text("oops\n")
    process = start(*COMMAND, "bad.jsonl", "--processes", "2")
    shown, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert shown == ""
    assert [line.split(":")[:3] for line in messages.splitlines()] == [["Error", " bad.jsonl", " line 1"]]


@pytest.mark.slow
def test_processes_with_different_data_are_refused(small_jsonl: Path, start: Start) -> None:
    shutil.copy(small_jsonl, "0.jsonl")
    Path("1.jsonl").write_text("".join(small_jsonl.read_text().splitlines(keepends=True)[:-1]))
    own = f'"{sys.executable}" -m {MODULE} $RANK.jsonl --device cpu'
    process = start(*LAUNCHER, "--nproc-per-node", "2", "sh", "-c", own)
    _, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    (complaint,) = [line for line in messages.splitlines() if line.startswith("Error: ")]
    assert complaint.startswith("Error: process 1: 1.jsonl: has SHA-256 ")
    assert complaint.endswith("; give all processes the same files")
    assert not Path("artifacts/character").exists()
