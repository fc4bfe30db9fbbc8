"""The fuzzers run and find nothing: a few inputs each, the same ones every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from workspace import ROOT

#: They train and export before they begin.
SLOW = ("fuzz_checkpoints", "fuzz_onnx", "fuzz_tokenizers")
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NAMES]
)
def test_a_few_inputs_hold(name: str) -> None:
    command = [sys.executable, f"tests/fuzz/{name}.py", "--count", "12", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 inputs" in done.stdout
    assert "0 faults" in done.stdout
