"""The fuzzers run and find nothing: a few inputs each, the same ones every time."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workspace import ROOT


@pytest.mark.parametrize("name", ["fuzz_rust", "fuzz_schema_json", "fuzz_rows"])
def test_a_few_inputs_hold(name: str) -> None:
    command = [sys.executable, f"tests/fuzz/{name}.py", "--count", "12", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 inputs" in done.stdout
    assert "0 faults" in done.stdout
