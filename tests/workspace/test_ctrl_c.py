"""Ctrl-C while a command starts: exit code 130 and one line, whatever is being imported. And what ctrl_c.py does.

Ctrl-C at work is tested beside the tests of each command.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from interrupting import MESSAGE, interrupt
from storyteller_schema.common import console, ctrl_c
from storyteller_schema.common.files import write_atomic
from workspace import console_commands

Handled = Callable[[Any], Any]

#: What a command is given, and the last heavy module that it imports for that.
STARTED: dict[str, tuple[tuple[str, ...], str]] = {
    "generate-training-data": ((), "numpy"),
    "generate-event-data": ((), "numpy"),
    "import-annotations": (("data.jsonl",), "numpy"),
    "storyteller-schema": (("check",), "numpy"),
    "train-character-model": (("data.jsonl",), "torch"),
    "train-event-classifier": (("data.jsonl",), "torch"),
    "export-character-model": (("runs/event",), "torch"),
    "export-event-classifier": (("runs",), "torch"),
    "verify-onnx": (("model.onnx",), "onnx"),
    "annotate-text": (("data.jsonl", "--models", "runs"), "torch"),
    "evaluate-classifier": (("runs", "data.jsonl"), "torch"),
    "evaluate-character-model": (("runs/event", "data.jsonl"), "torch"),
    "list-runs": ((), "rich.table"),
    "write-report": (("runs/event",), "matplotlib"),
    "compare-models": (("model.onnx", "runs/event"), "torch"),
    "promote-model": (("runs/event",), "torch"),
}


@pytest.fixture
def files(tmp_path: Path) -> None:
    """What looks right until it is read."""
    for name in (
        "data.jsonl",
        "model.onnx",
        "runs/event/best.safetensors",
        "runs/ner/best.safetensors",
        "runs/event_classifier/x",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")


def test_every_command_is_started() -> None:
    assert set(STARTED) == set(console_commands())


@pytest.mark.parametrize("command", STARTED)
@pytest.mark.parametrize("module", ["click", "rich.console", "heavy"])
@pytest.mark.usefixtures("files")
def test_ctrl_c_while_a_module_is_imported(command: str, module: str) -> None:
    arguments, heavy = STARTED[command]
    ended = interrupt(command, *arguments, at=heavy if module == "heavy" else module)
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)


def test_ctrl_c_after_the_result_changes_nothing() -> None:
    code = "from storyteller_schema.entry_points import storyteller_schema as main; import atexit, signal; "
    code += "atexit.register(signal.raise_signal, signal.SIGINT); main()"
    done = subprocess.run([sys.executable, "-c", code, "check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No difference." in done.stdout


# --- ctrl_c.py ---------------------------------------------------------------------------------------------------


def test_a_program_that_imports_the_workspace_answers_ctrl_c_itself() -> None:
    before = signal.getsignal(signal.SIGINT)
    for within in (ctrl_c.working, ctrl_c.ending_at_once):
        with within():
            assert signal.getsignal(signal.SIGINT) is before
    ctrl_c.done()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_stays_ignored_where_whoever_started_the_command_wants_that(answered_by: Handled) -> None:
    answered_by(signal.SIG_IGN)
    ctrl_c.answer()
    with ctrl_c.working():
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def answered_by() -> Iterator[Handled]:
    """Sets who answers Ctrl-C; undone after the test."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, answered_by: Handled) -> None:
    """As in a command."""
    monkeypatch.setattr(ctrl_c, "_pressed", False)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    answered_by(signal.default_int_handler)
    ctrl_c.answer()


@pytest.mark.usefixtures("answered")
def test_a_failure_after_ctrl_c_is_its_work() -> None:
    @console.command("swallow")
    def swallow() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("all three ways have failed") from None

    result = CliRunner().invoke(swallow)
    assert (result.exit_code, result.stderr) == (130, MESSAGE)


@pytest.mark.usefixtures("answered")
def test_an_exit_code_of_its_own_is_kept() -> None:
    @console.command("tell")
    def tell() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            console.err.print("2 epochs are saved")
            raise click.exceptions.Exit(130) from None

    result = CliRunner().invoke(tell)
    assert (result.exit_code, result.stderr) == (130, "2 epochs are saved\n")


def test_ctrl_c_in_a_destructor_is_not_lost() -> None:
    code = """
import signal
from storyteller_schema.common import ctrl_c
class Fleeting:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)
ctrl_c.answer()
with ctrl_c.working():
    Fleeting()
    print("it was")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", MESSAGE)


def test_a_process_that_ends_at_once_leaves_no_half_written_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "result", "old")
    code = """
import signal
from pathlib import Path
from storyteller_schema.common import ctrl_c
from storyteller_schema.common.files import atomic_path
ctrl_c.answer()
with atomic_path(Path("result")) as temporary:
    temporary.write_text("half")
    signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, MESSAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert (tmp_path / "result").read_text() == "old"
