"""The other way round: the exported ONNX file through burn's importer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from require_cargo import require_cargo
from rust_engine import BURN_CRATE, EngineError, build, run_program
from storyteller_exporter.onnx.file import opset
from storyteller_schema.contract.predictions import Prediction, decode_outputs
from storyteller_schema.contract.record import from_json

pytestmark = pytest.mark.burn

TOLERANCE = 1e-5


def imported(model: Path) -> Path:
    """The program made of an ONNX file."""
    require_cargo()
    return build(BURN_CRATE, "--features", "onnx", variables={"CHARACTER_ONNX": str(model)}) / "imported-character"


def test_the_imported_network_predicts_what_pytorch_predicts(trained: Any) -> None:
    assert opset(onnx.load(str(trained.onnx))) == 18
    program = imported(trained.onnx)
    found = run_program(program, "predict", lines=(json.dumps(row.tolist()) for row in trained.rows()))
    outputs = np.array([line["outputs"] for line in found], dtype=np.float32)
    assert outputs.shape == (500, 42)
    np.testing.assert_allclose(outputs, trained.by_torch(), rtol=0, atol=TOLERANCE)
    for line, row in zip(found, outputs, strict=True):
        assert from_json(Prediction, json.dumps(line["prediction"])) == decode_outputs(row)


def test_without_a_file_the_build_says_which_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    require_cargo()
    monkeypatch.delenv("CHARACTER_ONNX", raising=False)
    with pytest.raises(EngineError, match="set CHARACTER_ONNX to the path of"):
        build(BURN_CRATE, "--features", "onnx")
