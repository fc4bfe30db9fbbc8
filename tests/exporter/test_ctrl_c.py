"""Ctrl-C while a model is exported, verified or evaluated: nothing half written is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from interrupting import MESSAGE, interrupt


@pytest.mark.slow
@pytest.mark.parametrize("place", ["torch.onnx:export", "storyteller_exporter.sandbox.process:Sandbox.ask"])
def test_ctrl_c_while_a_character_model_is_exported(run: Path, place: str) -> None:
    ended = interrupt("export-character-model", run, "-o", "out/model.onnx", at=place)
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)
    assert not list(Path("out").rglob("*"))


@pytest.mark.slow
def test_ctrl_c_while_classifiers_are_exported(event_runs: Path) -> None:
    # Where PyTorch's exporter is called, the file that is written has been begun.
    ended = interrupt("export-event-classifier", event_runs, "-o", "out", at="torch.onnx:export")
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)
    assert not list(Path("out").rglob("*"))


@pytest.mark.slow
def test_ctrl_c_while_a_file_is_verified(exported: Path, run: Path) -> None:
    arguments = (exported, "--checkpoint", run, "-o", "report.json")
    ended = interrupt("verify-onnx", *arguments, at="storyteller_exporter.checks.parity:compare_all")
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)
    assert not Path("report.json").exists()


@pytest.mark.slow
def test_ctrl_c_while_classifiers_are_evaluated(event_folder: Path, event_data: Path) -> None:
    ended = interrupt(
        "evaluate-classifier", event_folder, event_data, at="storyteller_exporter.evaluate.classifier_evaluation:score"
    )
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)
