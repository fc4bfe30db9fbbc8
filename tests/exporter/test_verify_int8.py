"""`verify-onnx` on eight-bit character files: judged by loss and accuracy, not by parity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from storyteller_exporter.character_quality import alignment, quality
from storyteller_exporter.findings import Status
from storyteller_exporter.interface import CHARACTER
from storyteller_exporter.verify import verify_file
from storyteller_exporter.verify_cli import main
from storyteller_schema.predictions import PREDICTIONS
from verified import change, detail, failures, status

FILE_NAME = CHARACTER.file_name


def test_int8_file_is_judged_by_loss_and_accuracy(exported_int8: Path, run: Path, data: Path) -> None:
    report = verify_file(exported_int8, checkpoint=run, data=data)
    assert report.passed
    assert report.differences == []
    assert [change.name for change in report.changes] == [
        "loss",
        "action.type accuracy",
        "action.context accuracy",
        "speech.register accuracy",
        "thought.awareness accuracy",
        "speech.occurs accuracy",
        "emotion.awareness_shift accuracy",
        "thought.dominant_emotion_index accuracy",
    ]
    assert report.changes[0].reference != report.changes[0].found


def test_int8_file_is_not_judged_without_data(exported_int8: Path, run: Path) -> None:
    report = verify_file(exported_int8, checkpoint=run)
    assert status(report, "quality") is Status.SKIPPED
    assert "--data" in detail(report, "quality")
    assert report.changes == []


def test_int8_file_that_lost_too_much_fails(exported_int8: Path, run: Path, data: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported_int8))
    change(model, "heads.thought.2.bias", lambda bias: bias + 9 * np.eye(6)[0])
    path = tmp_path / FILE_NAME
    path.write_bytes(model.SerializeToString())
    report = verify_file(path, checkpoint=run, data=data)
    assert not report.passed
    assert "loss" in [entry.name for entry in report.changes if not entry.passed]
    result = CliRunner().invoke(main, [str(path), "--checkpoint", str(run), "--data", str(data)])
    assert result.exit_code == 1
    assert "allowed" in result.stdout


def test_int8_file_with_nan_is_reported(exported_int8: Path, run: Path, data: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported_int8))
    change(model, "heads.thought.2.bias", lambda bias: np.full_like(bias, np.nan))
    path = tmp_path / FILE_NAME
    path.write_bytes(model.SerializeToString())
    report = verify_file(path, checkpoint=run, data=data)
    assert failures(report) == {"finite", "quality"}
    json.dumps(report.as_json(), allow_nan=False)


def test_loss_does_not_see_aligned_thresholds() -> None:
    rng = np.random.default_rng(3)
    outputs = rng.standard_normal((20, PREDICTIONS.size), dtype=np.float32)
    labels = np.zeros((20, PREDICTIONS.size), dtype=np.float32)
    labels[:, [0, 9, 20]] = 1.0
    plain, shifted = quality(outputs, labels, aligned=False), quality(outputs + alignment(), labels, aligned=True)
    assert shifted["loss"] == pytest.approx(plain["loss"], abs=1e-5)
    occurs = outputs[:, PREDICTIONS.span("speech.occurs").start]
    assert plain["speech.occurs"] == pytest.approx(np.mean(occurs <= 0.5))
    assert shifted["speech.occurs"] == pytest.approx(np.mean(occurs <= 0))
