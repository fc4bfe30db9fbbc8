"""By how many threads a run computes: what the user says, what the run had, or what is free."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner
from storyteller_trainer.runs import threads
from storyteller_trainer.runs.cpus import Look
from storyteller_trainer.runs.threads import SPINS, choose_threads, computing_by, limit_spinning, threads_option

CPU = torch.device("cpu")


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch takes eight threads by itself."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)


def choose(
    free: float | None, *, fixed: int | None = None, recorded: int | None = None, processes: int = 1
) -> tuple[int, str]:
    """The number and the line; where `free` is None there must be no look."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "look_at_cpus", lambda: pytest.fail("looked") if free is None else Look(free, 8))
        number = choose_threads(CPU, fixed, recorded, lines.append, processes=processes)
    assert len(lines) == 1, "one line, whatever was chosen"
    return number, lines[0]


@pytest.mark.parametrize(
    ("free", "expected"),
    [(8, 8), (7.6, 8), (7.4, 7), (1.5, 2), (1.4, 1), (0.3, 1), (0, 1), (31, 8)],
)
def test_a_new_run_takes_what_is_free(eight: None, free: float, expected: int) -> None:
    number, line = choose(free)
    assert number == expected
    assert line.startswith("Computing by 1 thread: " if expected == 1 else f"Computing by {expected} threads: ")
    assert f"{free:.1f} of 8 CPUs are free" in line


@pytest.mark.parametrize(("free", "processes", "expected"), [(8, 2, 4), (8, 3, 2), (5, 2, 2), (1, 2, 1), (8, 16, 1)])
def test_each_process_takes_its_share(eight: None, free: float, processes: int, expected: int) -> None:
    number, line = choose(free, processes=processes)
    assert number == expected
    assert " a process: " in line


def test_what_the_user_fixed_is_taken_without_a_look(eight: None) -> None:
    assert choose(None, fixed=3) == (3, "Computing by 3 threads, as --threads or OMP_NUM_THREADS says")
    assert choose(None, fixed=12, processes=2)[0] == 12
    assert choose(None, fixed=3, recorded=3)[1] == choose(None, fixed=3)[1]


def test_a_resumed_run_keeps_its_number(eight: None) -> None:
    assert choose(0, recorded=1) == (1, "Computing by 1 thread, as the run had so far")
    number, line = choose(2.9, recorded=6)
    assert number == 6
    assert line == (
        "Computing by 6 threads, as the run had so far, for the same result to the bit; "
        "a new run would take 3: 2.9 of 8 CPUs are free"
    )


def test_the_user_can_change_the_number_of_a_resumed_run(eight: None) -> None:
    number, line = choose(None, fixed=2, recorded=6)
    assert number == 2
    assert line.endswith("; so far the run had 6: the result will not be the same")


def test_a_run_of_a_version_that_noted_none_goes_on_as_it_was(eight: None) -> None:
    assert choose(1, recorded=0)[0] == 8
    assert choose(8, recorded=0, processes=2)[0] == 1, "torchrun gave each process one"


def test_another_device_than_the_cpu_needs_no_look_and_no_line(eight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "look_at_cpus", lambda: pytest.fail("looked"))
    cuda = torch.device("cuda")
    assert choose_threads(cuda, None, None, pytest.fail) == 8
    assert choose_threads(cuda, 2, None, pytest.fail) == 2
    assert choose_threads(cuda, None, 3, pytest.fail) == 8


def test_pytorch_computes_by_that_many_and_then_by_as_many_as_before() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with computing_by(before + 2):
            assert torch.get_num_threads() == before + 2
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert torch.get_num_threads() == before


# --- --threads and OMP_NUM_THREADS ------------------------------------------------------------------------------------


@click.command()
@threads_option("Run")
def shown(threads: int | None) -> None:
    """Prints what a command is given."""
    click.echo(repr(threads))


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        ((), None, "None"),
        (("--threads", "auto"), None, "None"),
        (("--threads", "3"), None, "3"),
        ((), "5", "5"),
        ((), " 6,2", "6"),
        (("--threads", "3"), "5", "3"),
        (("--threads", "auto"), "5", "None"),
        ((), "", "None"),
        ((), "0", "None"),
        ((), "many", "None"),
        ((), "-2", "None"),
    ],
)
def test_the_option_comes_before_the_variable(arguments: tuple[str, ...], variable: str | None, expected: str) -> None:
    done = CliRunner().invoke(shown, list(arguments), env={"OMP_NUM_THREADS": variable})
    assert (done.exit_code, done.stdout) == (0, f"{expected}\n")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "all", ""])
def test_what_is_no_number_of_threads_is_wrong_use(value: str) -> None:
    done = CliRunner().invoke(shown, ["--threads", value])
    assert done.exit_code == 2
    assert f"{value!r} is neither auto nor a number from 1 on" in done.stderr


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that was measured, and a user who has not decided how threads wait."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


def test_waiting_threads_go_to_sleep_soon(linux: None) -> None:
    limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == str(SPINS)


@pytest.mark.parametrize(("name", "value"), [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "ACTIVE")])
def test_unless_the_user_has_decided(linux: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    limit_spinning()
    assert os.environ.get("GOMP_SPINCOUNT") == ("7" if name == "GOMP_SPINCOUNT" else None)


@pytest.mark.parametrize(("system", "processor"), [("darwin", "x86_64"), ("darwin", "arm64"), ("linux", "aarch64")])
def test_and_only_where_it_was_measured(
    linux: None, monkeypatch: pytest.MonkeyPatch, system: str, processor: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    limit_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="not done on this system")
@pytest.mark.parametrize("command", ["train_character_model", "train_event_classifier"])
def test_a_command_does_it_before_pytorch_is_imported(tmp_path: Path, command: str) -> None:
    (tmp_path / "torch.py").write_text("import os; print('spins', os.environ.get('GOMP_SPINCOUNT')); raise SystemExit")
    (tmp_path / "data.jsonl").write_text("looked into by nobody")
    code = f"from storyteller_trainer.entry_points import {command}; {command}()"
    unset = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", code, "data.jsonl"],
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"spins {SPINS}\n", done.stderr
