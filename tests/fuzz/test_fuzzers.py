"""The fuzzers run and find nothing: a few inputs each, the same ones every time."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import fuzz_checkpoints
import fuzz_onnx
import pytest
from fuzzing import Case, Outcome, at_most, fuzz
from workspace import ROOT

#: They train and export before they begin.
SLOW = ("fuzz_checkpoints", "fuzz_kills", "fuzz_onnx", "fuzz_pairs", "fuzz_tokenizers")
#: How many inputs are tried; of those that run whole commands, each of which takes seconds, fewer.
INPUTS = {"fuzz_kills": 4, "fuzz_pairs": 2}
OTHERS = 12
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NAMES]
)
def test_a_few_inputs_hold(name: str) -> None:
    count = INPUTS.get(name, OTHERS)
    command = [sys.executable, f"tests/fuzz/{name}.py", "--count", str(count), "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{count} inputs: ")
    assert last.endswith(" 0 faults")


def test_an_input_that_takes_too_long_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> Outcome:
        with at_most(60), suppress(Exception):  # as a command answers errors of the system
            signal.raise_signal(signal.SIGALRM)
        return Outcome("0", "")

    monkeypatch.setattr(sys, "argv", ["fuzz", "--count", "2"])
    assert fuzz("", lambda rng: Case((), run), 1) == 1
    assert "2 inputs: 2 with fault" in capsys.readouterr().out


def test_a_changed_checkpoint_that_is_loaded_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be if the loader did not look at the checksum."""
    monkeypatch.setattr(fuzz_checkpoints, "attempt", lambda kind, how: ("done", "other weights"))
    assert fuzz_checkpoints.tried("character", "load", "the weights", signed=True).fault == "another result"
    assert not fuzz_checkpoints.tried("character", "load", "the weights", signed=False).fault
    monkeypatch.setattr(fuzz_checkpoints, "attempt", lambda kind, how: ("refused", "no file is named"))
    assert fuzz_checkpoints.tried("character", "load", "", signed=True).fault == "not one message with the file"


def test_a_file_that_passes_and_was_not_compared_is_a_fault() -> None:
    told = {"changes": [], "differences": [{"against": "one by one"}]}
    assert fuzz_onnx.wrongly_passed("character", Path("x.onnx"), told) == "passed, and nothing was compared"
