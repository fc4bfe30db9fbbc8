"""`verify-onnx` on eight-bit character files: judged by loss and accuracy, not by parity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from storyteller_exporter.character.file_metadata import ROUNDED_BY
from storyteller_exporter.character.quality import alignment, changes, quality
from storyteller_exporter.checks.verification_report import Status, Verdict
from storyteller_exporter.commands.verify_onnx import main
from storyteller_exporter.export.character import export_character
from storyteller_exporter.onnx.session import start
from storyteller_exporter.verify.verification import verify_file
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.model.held_out import data_of_run
from verified import change, detail, failures, status

FILE_NAME = CHARACTER.file_name


def test_int8_file_is_judged_by_loss_and_accuracy(exported_int8: Path, run: Path, data: Path) -> None:
    report = verify_file(exported_int8, checkpoint=run, data=data)
    assert report.passed
    # Its weights are not PyTorch's, but a row gives the same alone as in a batch.
    assert {entry.against for entry in report.differences} == {"one by one"}
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


def test_int8_file_is_not_judged_without_data(exported_int8: Path, run: Path, data: Path) -> None:
    report = verify_file(exported_int8, checkpoint=run)
    assert report.verdict is Verdict.UNJUDGED
    assert not report.passed
    assert status(report, "quality") is Status.UNJUDGED
    assert "run.json says what the run was trained on: int8 is judged" in detail(report, "quality")
    assert status(report, "data") is Status.SKIPPED
    assert report.changes == []
    without = verify_file(exported_int8, data=data)
    assert without.verdict is Verdict.UNJUDGED
    assert "no checkpoint to compare with" in detail(without, "quality")


def test_command_fails_for_an_unjudged_file_unless_that_is_allowed(exported_int8: Path, run: Path) -> None:
    arguments = [str(exported_int8), "--checkpoint", str(run)]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "character_predictor.onnx: not judged" in refused.stdout
    allowed = CliRunner().invoke(main, [*arguments, "--allow-unjudged", "--json"])
    assert allowed.exit_code == 0
    printed = json.loads(allowed.stdout)
    assert (printed["passed"], printed["verdict"]) == (False, "not judged")


def test_failure_is_not_excused_by_what_could_not_be_judged(exported_int8: Path, run: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported_int8))
    model.opset_import[0].version = 17
    path = tmp_path / FILE_NAME
    path.write_bytes(model.SerializeToString())
    report = verify_file(path, checkpoint=run)
    assert report.verdict is Verdict.FAILED
    assert CliRunner().invoke(main, [str(path), "--checkpoint", str(run), "--allow-unjudged"]).exit_code == 1


def test_int8_file_is_judged_on_what_the_run_held_out(trained: Path, sample: Path, tmp_path: Path) -> None:
    source = load_checkpoint(trained)
    held_out = data_of_run(source, None)
    assert len(held_out.held_out) < 400
    file = tmp_path / "models" / FILE_NAME
    export_character(trained, file, int8=True)
    assert start(file).get_modelmeta().custom_metadata_map[ROUNDED_BY] == str(len(held_out.training))
    report = verify_file(file, checkpoint=trained)
    assert report.passed
    assert detail(report, "data") == f"{sample}: {len(held_out.held_out)} of 400 examples, held out from the run"
    assert detail(report, "quality") == f"judged on {len(held_out.held_out)} held-out examples, one by one"
    # The same, computed once more from the held-out rows alone.
    features, labels = (rows[held_out.held_out] for rows in (held_out.data.features, held_out.data.labels))
    with torch.no_grad():
        outputs = source.model(torch.from_numpy(features))
    exact = quality(np.concatenate([outputs[head].numpy() for head in HEADS], axis=1), labels, aligned=False)
    assert {change.name.removesuffix(" accuracy"): change.reference for change in report.changes} == exact
    # Naming the run's own file does not bring back what it was trained on.
    again = verify_file(file, checkpoint=trained, data=sample)
    assert detail(again, "quality") == detail(report, "quality")
    assert again.changes == report.changes


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
    assert failures(report) == {"finite", "quality", "parity"}
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


@pytest.mark.parametrize(("lost", "passed"), [(2, True), (3, False)])
def test_an_accuracy_may_fall_by_a_hundredth_and_no_more(lost: int, passed: bool) -> None:
    """Of 200 answers two: 0.195 - 0.185 is a little more than 0.01 in floating point."""
    awareness = PREDICTIONS.span("thought.awareness")
    labels = np.zeros((200, PREDICTIONS.size), np.float32)
    labels[:, awareness.start] = 1
    reference, rounded = np.zeros_like(labels), np.zeros_like(labels)
    for right, outputs in ((39, reference), (39 - lost, rounded)):
        outputs[:right, awareness.start] = outputs[right:, awareness.start + 1] = 1
    found = {each.name: each.passed for each in changes(reference, rounded, labels, aligned=False)}
    assert found["thought.awareness accuracy"] is passed
