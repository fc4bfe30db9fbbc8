"""What `verify-onnx` finds in the event folder, for every family of encoders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from storyteller_exporter.checks.floors import Floors
from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.events.cases import events_cases
from storyteller_exporter.events.file_metadata import (
    MAX_LENGTH,
)
from storyteller_exporter.sandbox.messages import Tokenize
from storyteller_exporter.sandbox.process import RefusedError, Sandbox
from storyteller_exporter.verify.verification import verify, verify_file
from tokenizers import Tokenizer

FILES = ["event_classifier.onnx", "ner_classifier.onnx", "tokenizer.json"]


def failures(report: Verification) -> dict[str, str]:
    return {check.name: check.detail for check in report.checks if check.status is Status.FAILED}


def status(report: Verification, name: str) -> Status:
    return next(check.status for check in report.checks if check.name == name)


def copy_folder(folder: Path, target: Path) -> Path:
    target.mkdir()
    for name in FILES:
        (target / name).write_bytes((folder / name).read_bytes())
    return target


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "distilbert", "deberta-v2", "modernbert"])
def test_joint_model_of_every_family_gives_pytorchs_numbers(
    joint_export: Callable[[str], tuple[Path, Path]], event_data: Path, family: str
) -> None:
    runs, folder = joint_export(family)
    (report,) = verify(folder, checkpoint=runs, data=event_data)
    assert report.interface == "joint"
    assert failures(report) == {}
    assert report.passed
    cases = {entry.case for entry in report.differences if entry.against == "PyTorch"}
    assert cases == {
        *(f"batch {batch}, length {length}" for batch in (1, 4) for length in (1, 2, 17, 64, 128)),
        "real, batch 8, padded to 128",
    }
    assert {entry.output for entry in report.differences} == {"event_logits", "ner_logits"}
    assert {entry.case for entry in report.differences if entry.against == "one by one"} == {
        "batch 4, length 17",
        "real, batch 8, padded to 128",
    }
    assert {(entry.atol, report.rtol) for entry in report.differences} == {(1e-4, 0.0)}


def test_engine_folder_passes(event_folder: Path, event_runs: Path, event_data: Path) -> None:
    reports = verify(event_folder, checkpoint=event_runs, data=event_data)
    assert [(Path(report.file).name, report.interface) for report in reports] == [
        ("event_classifier.onnx", "event"),
        ("ner_classifier.onnx", "ner"),
    ]
    for report in reports:
        assert failures(report) == {}
        assert report.passed
        assert {entry.against for entry in report.differences} == {"PyTorch", "one by one"}


def test_cases_are_padded_on_the_right_up_to_one_full_sentence() -> None:
    cases = events_cases(50)
    assert len(cases) == 10
    for case in cases:
        assert case.valid is not None
        mask = case.feeds["attention_mask"]
        np.testing.assert_array_equal(mask, case.valid)
        assert mask[0].all()
        assert mask.any(axis=1).all()
        assert (np.diff(mask, axis=1) <= 0).all()
        assert (case.feeds["input_ids"][~case.valid] == 0).all()
        assert case.feeds["input_ids"].max() < 50


# --- what is wrong is found --------------------------------------------------------------------------------------


def test_perturbed_head_fails_and_is_named(event_folder: Path, event_runs: Path, tmp_path: Path) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    path = folder / "ner_classifier.onnx"
    model = onnx.load(str(path))
    bias = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("ner_head.bias"))
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(1e-3), bias.name))
    path.write_bytes(model.SerializeToString())
    event, ner = verify(folder, checkpoint=event_runs)
    assert event.passed
    assert not ner.passed
    wrong = [entry for entry in ner.differences if not entry.passed]
    assert len(wrong) == 11, "ten generated cases, and the sentences that the run held out"
    assert all(entry.worst == pytest.approx(1e-3, rel=0.05) for entry in wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_text("{}"), "not a tokenizer.json"),
        (lambda path: _edit(path, lambda it: it.enable_padding(length=128)), "it pads by itself"),
        (lambda path: _edit(path, lambda it: it.enable_truncation(128)), "it cuts by itself"),
        (lambda path: _edit(path, lambda it: it.add_tokens(["new"])), "not the one that the model was exported with"),
    ],
)
def test_wrong_tokenizer_fails(event_folder: Path, tmp_path: Path, change: Callable[[Path], Any], message: str) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    change(folder / "tokenizer.json")
    for report in verify(folder):
        assert message in failures(report)["tokenizer"]


def _edit(path: Path, edit: Callable[[Tokenizer], Any]) -> None:
    tokenizer = Tokenizer.from_file(str(path))
    edit(tokenizer)
    tokenizer.save(str(path))


def test_missing_file_of_the_pair_fails(event_folder: Path, tmp_path: Path) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    (folder / "ner_classifier.onnx").unlink()
    event, ner = verify(folder)
    assert failures(event) == {}
    assert set(failures(ner)) == {"file"}


def test_file_that_runs_on_past_its_maximum_fails(event_folder: Path, tmp_path: Path) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    path = folder / "event_classifier.onnx"
    model = onnx.load(str(path))
    next(entry for entry in model.metadata_props if entry.key == MAX_LENGTH).value = "64"
    path.write_bytes(model.SerializeToString())
    assert "states 64 tokens and runs on 65" in failures(verify_file(path))["maximum length"]


def test_foreign_file_is_warned_about(event_folder: Path, tmp_path: Path) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    path = folder / "event_classifier.onnx"
    model = onnx.load(str(path))
    model.ClearField("metadata_props")
    path.write_bytes(model.SerializeToString())
    report = verify_file(path)
    assert failures(report) == {}
    assert report.interface == "event"
    assert status(report, "maximum length") is Status.WARNING
    assert status(report, "fingerprint") is Status.WARNING


def test_run_of_another_task_fails(event_folder: Path, event_runs: Path) -> None:
    report = verify_file(event_folder / "ner_classifier.onnx", checkpoint=event_runs / "event")
    assert "a model of task event, the file one of ner" in failures(report)["checkpoint"]


def test_held_out_sentences_that_changed_are_said_and_the_rest_goes_on(
    event_folder: Path, event_runs: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(event_runs, runs)
    kept = runs / "ner" / "held_out_random.jsonl"
    kept.write_bytes(kept.read_bytes() + b"\n")
    event, ner = verify(event_folder, checkpoint=runs)
    assert (event.passed, ner.passed) == (True, True)
    assert any(entry.case.startswith("real") for entry in event.differences)
    assert not any(entry.case.startswith("real") for entry in ner.differences)
    (told,) = (check for check in ner.checks if check.name == "data")
    assert told.status is Status.SKIPPED
    assert told.detail.startswith(f"the run's held-out sentences {kept} have changed")
    assert told.detail.endswith("parity on generated cases only")


# --- tokenizers that end the process -----------------------------------------------------------------------------


def _huge_id(content: dict[str, Any]) -> None:
    content["model"]["vocab"][next(iter(content["model"]["vocab"]))] = 2_147_483_648


def _inconsistent_merges(content: dict[str, Any]) -> None:
    content["model"] = {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("edit", [_huge_id, _inconsistent_merges])
def test_tokenizer_that_aborts_the_library_is_one_failed_check(
    event_folder: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    content = json.loads((folder / "tokenizer.json").read_text())
    edit(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    report = verify_file(folder / "ner_classifier.onnx")
    assert set(failures(report)) == {"tokenizer"}
    assert status(report, "decodes") is Status.OK


def test_tokenizer_of_two_faults_is_one_failed_check(
    event_folder: Path, event_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_folder(event_folder, tmp_path / "copy")
    _edit(folder / "tokenizer.json", lambda it: it.add_tokens(["new"]))
    ask = Sandbox.ask

    def breaks_on_texts(self: Sandbox, request: Any, expected: Any) -> Any:
        if isinstance(request, Tokenize) and request.texts:
            raise RefusedError("index out of range")
        return ask(self, request, expected)

    monkeypatch.setattr(Sandbox, "ask", breaks_on_texts)
    report = verify_file(folder / "ner_classifier.onnx", checkpoint=event_runs)
    assert [check.detail for check in report.checks if check.name == "tokenizer"] == [
        "it is not the one that the model was exported with: export again; on the real sentences: index out of range"
    ]
    assert status(report, "parity") is Status.OK


def test_scores_of_a_run_are_shown_and_held_to_a_floor(event_folder: Path, event_runs: Path) -> None:
    path = event_folder / "event_classifier.onnx"
    report = verify_file(path, checkpoint=event_runs, floors=Floors(min_f1=0.4))
    assert report.passed
    assert report.scores == {"validation macro F1": 0.5}
    report = verify_file(path, checkpoint=event_runs, floors=Floors(min_f1=0.6))
    assert failures(report) == {"--min-f1": "validation macro F1 0.5000; at least 0.6 is asked for (--min-f1)"}
