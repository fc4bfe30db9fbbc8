"""Rust loads the exported file, alone in its folder, and predicts what Python predicts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch
from rust_engine import EngineError
from storyteller_exporter.export.character import export_character
from storyteller_schema.contract.predictions import HEADS, Prediction, decode_outputs
from storyteller_schema.contract.record import from_json
from storyteller_trainer.character.model.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

#: Largest difference allowed between two runtimes.
TOLERANCE = 1e-5


def test_rust_predicts_what_python_predicts(engine: Callable[..., list[Any]], trained: Any) -> None:
    random = np.random.default_rng(3).standard_normal((248, 453), dtype=np.float32)
    corners = np.stack([np.zeros(453, dtype=np.float32), np.ones(453, dtype=np.float32)])
    rows = np.concatenate([trained.data.features[:250], random, corners])
    assert len(rows) == 500

    found = engine("predict", trained.file, lines=(json.dumps(row.tolist()) for row in rows), cwd=trained.file.parent)
    rust = np.array([line["outputs"] for line in found], dtype=np.float32)

    session = onnxruntime.InferenceSession(trained.file, providers=["CPUExecutionProvider"])
    by_runtime = np.concatenate(session.run(list(HEADS), {"features": rows}), axis=1)
    with torch.no_grad():
        heads = load_checkpoint(trained.run).model(torch.from_numpy(rows))
    by_torch = np.concatenate([heads[head].numpy() for head in HEADS], axis=1)

    assert np.abs(by_torch).max() > 0.5, "the outputs are too small for the comparison to mean anything"
    np.testing.assert_allclose(rust, by_runtime, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(rust, by_torch, rtol=0, atol=TOLERANCE)
    for line, outputs in zip(found, rust, strict=True):
        assert from_json(Prediction, json.dumps(line["prediction"])) == decode_outputs(outputs)


def test_rust_reads_an_eight_bit_file_as_python_does(
    engine: Callable[..., list[Any]], trained: Any, tmp_path: Path
) -> None:
    """Row by row, as the engine asks: the activations of a batch share one scale."""
    file = tmp_path / "int8" / trained.file.name
    export_character(trained.run, file, int8=True, allow_unjudged=True)
    rows = trained.data.features[:120]
    found = engine("predict", file, lines=(json.dumps(row.tolist()) for row in rows), cwd=file.parent)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    expected = [np.concatenate(session.run(list(HEADS), {"features": row[None]}), axis=1)[0] for row in rows]
    rust = np.array([line["outputs"] for line in found], dtype=np.float32)
    np.testing.assert_allclose(rust, expected, rtol=0, atol=TOLERANCE)
    decoded = [from_json(Prediction, json.dumps(line["prediction"])) for line in found]
    assert decoded == [decode_outputs(outputs) for outputs in expected]
    whole = onnxruntime.InferenceSession(trained.file, providers=["CPUExecutionProvider"])
    assert np.abs(np.concatenate(whole.run(list(HEADS), {"features": rows}), axis=1) - rust).max() > TOLERANCE


def test_the_bench_measures_and_memory_does_not_grow(engine: Callable[..., list[Any]], trained: Any) -> None:
    [measured] = engine("bench", trained.file, "20000")
    for name in ("single", "shared_by_two"):
        assert measured[name]["predictions"] == 20_000
        assert 0 < measured[name]["p50_us"] <= measured[name]["p99_us"]
    # 4 MiB over 40,000 predictions is 100 bytes each: less than any tensor that could have been forgotten.
    assert measured["resident_after_kib"] - measured["resident_before_kib"] < 4096


def test_a_missing_model_is_a_message(engine: Callable[..., list[Any]], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere\.onnx"):
        engine("predict", tmp_path / "nowhere.onnx")
