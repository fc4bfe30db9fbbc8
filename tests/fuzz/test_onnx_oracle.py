"""The fuzzer of ONNX files computes the outputs of a file that passed once more: does it see a verifier that errs?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz_onnx
import msgspec
import numpy as np
import onnx
import pytest
from fuzzing import Case, fuzz
from onnx import numpy_helper
from samples import export_character, train_character, write_character_data
from storyteller_exporter.checks import parity
from storyteller_exporter.checks.verification_report import Difference


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a character run and its export."""
    folder = tmp_path_factory.mktemp("trained")
    write_character_data(folder)
    train_character(folder)
    export_character(folder)
    return folder


@pytest.fixture
def rolled(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The export with the values of its largest tensor moved by one place, as the fuzzer tries it."""
    model = onnx.load(trained / "models" / "character_predictor.onnx")
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = np.roll(numpy_helper.to_array(largest), 1)
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    file = tmp_path / "character_predictor.onnx"
    file.write_bytes(model.SerializeToString())
    monkeypatch.setattr(fuzz_onnx, "FOLDER", tmp_path, raising=False)
    monkeypatch.setattr(fuzz_onnx, "RUNS", {"character": trained / "character"}, raising=False)
    monkeypatch.setattr(sys, "argv", ["fuzz", "--count", "1"])
    return Case(("rolled",), lambda: fuzz_onnx.verified("character", file, compared=True))


def accepting(compare: Callable[..., Difference]) -> Callable[..., Difference]:
    """The comparison, to which any finite number is PyTorch's."""

    def lenient(*arguments: Any, **tolerance: float) -> Difference:
        found = compare(*arguments, **tolerance)
        return (
            msgspec.structs.replace(found, passed=True, share=min(found.share, 1.0))
            if found.share is not None
            else found
        )

    return lenient


@pytest.mark.slow
def test_a_verifier_that_accepts_changed_weights_is_a_fault(
    rolled: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuzz("", lambda rng: rolled, 1) == 0
    assert "1 with 1; " in capsys.readouterr().out, "the verifier as it is refuses the file"
    monkeypatch.setattr(parity, "compare", accepting(parity.compare))
    assert fuzz("", lambda rng: rolled, 1) == 1
    told = capsys.readouterr().out
    assert "seed 1: passed, and action differs by " in told
    assert told.endswith("1 faults\n")
