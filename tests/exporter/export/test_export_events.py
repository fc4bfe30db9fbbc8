"""The event folder: what is exported, for every family of encoders, and what `verify-onnx` finds in it."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from run_kinds import SPOILT, spoil
from storyteller_exporter.checks.floors import Floors
from storyteller_exporter.checks.verification_report import Status, Verdict, Verification
from storyteller_exporter.commands import verify_onnx
from storyteller_exporter.commands.export_event_classifier import main
from storyteller_exporter.events.cases import events_cases
from storyteller_exporter.events.file_metadata import (
    ALIGNED,
    DETERMINER_SHARE,
    ENCODER,
    EPOCH,
    FAMILY,
    MAX_LENGTH,
    SEED,
    SPANS,
    SPLIT,
    THRESHOLDS,
)
from storyteller_exporter.export import events
from storyteller_exporter.export.events import export_events
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import external_files, opset
from storyteller_exporter.onnx.session import start
from storyteller_exporter.sandbox.messages import Tokenize, Validate
from storyteller_exporter.sandbox.process import RefusedError, Sandbox
from storyteller_exporter.verify.files import verify, verify_file
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import BIO_LABELS, EventKind
from storyteller_schema.contract.fingerprint import event_fingerprint
from storyteller_trainer.events.model.checkpoint import EventMetadata
from storyteller_trainer.runs.run_files import BEST
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


@pytest.fixture
def traced(event_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's exporter, the slow step, is answered with the graphs it gave before."""
    monkeypatch.setattr(
        events, "export_module", lambda module, example, interface: onnx.load(str(event_folder / interface.file_name))
    )


# --- what is written ---------------------------------------------------------------------------------------------


def test_folder_holds_what_the_engine_loads(event_folder: Path) -> None:
    assert sorted(path.name for path in event_folder.iterdir()) == ["MODEL_CARD.md", *FILES, "verification.json"]
    for name, axes in (
        ("event_classifier.onnx", ["batch", 8]),
        ("ner_classifier.onnx", ["batch", "sequence", 15]),
    ):
        model = onnx.load(str(event_folder / name), load_external_data=False)
        assert opset(model) == 18
        assert external_files(model) == []
        session = start(event_folder / name)
        tensors = [(tensor.name, tensor.type, tensor.shape) for tensor in session.get_inputs()]
        assert tensors == [(key, "tensor(int64)", ["batch", "sequence"]) for key in ("input_ids", "attention_mask")]
        (output,) = session.get_outputs()
        assert (output.name, output.type, output.shape) == ("logits", "tensor(float)", axes)


def test_metadata_carries_labels_fingerprint_and_maximum_length(event_folder: Path) -> None:
    found = start(event_folder / "ner_classifier.onnx").get_modelmeta().custom_metadata_map
    assert found[metadata_props.FINGERPRINT] == event_fingerprint()
    assert found[metadata_props.DATA_HASH] == "e7e7" * 16
    assert (found[SPANS], found[DETERMINER_SHARE]) == ("unknown", "0.0000")  # of data nobody measured
    assert found[MAX_LENGTH] == "128"
    assert (found[ENCODER], found[FAMILY], found[EPOCH]) == ("bert", "bert", "2")
    assert (found[SEED], found[SPLIT]) == ("0", "random")
    assert json.loads(found[metadata_props.DECODING])["entities"]["labels"] == list(BIO_LABELS)
    found = start(event_folder / "event_classifier.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(found[metadata_props.DECODING])["events"]["labels"] == list(EventKind.labels())


@pytest.mark.usefixtures("traced")
def test_tokenizer_that_pads_and_cuts_is_normalised(make_event_run: Callable[..., Path], tmp_path: Path) -> None:
    for task in ("event", "ner"):
        run = make_event_run(tmp_path / "runs", task, raw_tokenizer=True)
        raw = Tokenizer.from_file(str(run / "tokenizer.json"))
        assert raw.padding is not None
        assert raw.truncation is not None
    export_events(tmp_path / "runs", tmp_path / "out")
    written = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert written.padding is None
    assert written.truncation is None
    for report in verify(tmp_path / "out"):
        assert status(report, "tokenizer") is Status.OK


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_weights_are_not_exported_over_good_files(
    event_folder: Path, make_event_run: Callable[..., Path], tmp_path: Path, how: str
) -> None:
    told = spoil(make_event_run(tmp_path / "runs", "event") / BEST, EventMetadata, how)
    make_event_run(tmp_path / "runs", "ner")
    target = copy_folder(event_folder, tmp_path / "models")
    before = {name: (target / name).read_bytes() for name in FILES}
    with pytest.raises(StorytellerError, match=told):
        export_events(tmp_path / "runs", target)
    assert {name: (target / name).read_bytes() for name in FILES} == before


def test_more_than_128_tokens_are_refused_by_the_file_itself(event_folder: Path) -> None:
    session = start(event_folder / "event_classifier.onnx")
    fits = np.ones((2, 128), dtype=np.int64)
    assert session.run(None, {"input_ids": fits, "attention_mask": fits})[0].shape == (2, 8)
    longer = np.ones((2, 129), dtype=np.int64)
    with pytest.raises(Exception, match="Mul"):
        session.run(None, {"input_ids": longer, "attention_mask": longer})


# --- parity, family by family ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "distilbert", "deberta-v2", "modernbert"])
def test_joint_model_of_every_family_gives_pytorchs_numbers(
    make_event_run: Callable[..., Path], event_data: Path, tmp_path: Path, family: str
) -> None:
    make_event_run(tmp_path / "runs", "joint", family)
    export_events(tmp_path / "runs", tmp_path / "out", joint=True)
    (report,) = verify(tmp_path / "out", checkpoint=tmp_path / "runs", data=event_data)
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


def test_missing_extra_is_named(event_folder: Path, event_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in ("storyteller_exporter.events.family", "storyteller_exporter.export.events"):
            raise ModuleNotFoundError("No module named 'tokenizers'", name="tokenizers")
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    report = verify_file(event_folder / "event_classifier.onnx")
    assert "tokenizers, which is not installed" in failures(report)["runs"]
    result = CliRunner().invoke(main, [str(event_runs)])
    assert result.exit_code == 1
    assert "storyteller-exporter[events]" in result.stderr


# --- int8 --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("traced")
def test_int8_files_are_judged_by_f1(event_folder: Path, event_runs: Path, event_data: Path, tmp_path: Path) -> None:
    report = export_events(event_runs, tmp_path / "out", int8=True)
    assert report.verdict is Verdict.PASSED
    assert {file.precision for file in report.files} == {"int8"}
    for file in report.files:
        assert file.bytes < (event_folder / Path(file.file).name).stat().st_size
    event, ner = verify(tmp_path / "out", checkpoint=event_runs, data=event_data)
    assert [change.name for change in event.changes] == ["event macro F1"]
    assert [change.name for change in ner.changes] == ["entity F1"]
    assert event.differences == ner.differences == []
    assert status(event, "batch against singles") is Status.SKIPPED
    # By default on the same sentences: those that the runs held out.
    judged = [report.changes for report in verify(tmp_path / "out", checkpoint=event_runs)]
    assert judged == [event.changes, ner.changes]


@pytest.mark.usefixtures("traced")
def test_int8_files_that_nothing_judges_are_refused(make_event_run: Callable[..., Path], tmp_path: Path) -> None:
    for task in ("event", "ner"):
        make_event_run(tmp_path / "runs", task)
    arguments = [str(tmp_path / "runs"), "--models", str(tmp_path / "models"), "--int8"]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "could not be judged" in refused.stderr
    for name in FILES[:2]:
        assert f"  {name}: quality: not judged: the run's held-out sentences" in refused.stderr
    folder = tmp_path / "models" / "int8" / "event_classifier"
    assert [path.name for path in folder.iterdir()] == ["failed-export"]
    allowed = CliRunner().invoke(main, [*arguments, "--allow-unjudged"])
    assert allowed.exit_code == 0, allowed.output
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", *FILES, "verification.json"]
    assert not (tmp_path / "models" / "event_classifier").exists()
    # The same options find it again.
    options = ["--events", "--int8", "--models", str(tmp_path / "models"), "--checkpoint", str(tmp_path / "runs")]
    assert CliRunner().invoke(verify_onnx.main, options).exit_code == 1
    found = CliRunner().invoke(verify_onnx.main, [*options, "--allow-unjudged", "--json"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["verdict"] == "not judged"


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


# --- exports that cannot be --------------------------------------------------------------------------------------


def test_different_tokenizers_are_refused(make_event_run: Callable[..., Path], tmp_path: Path) -> None:
    make_event_run(tmp_path / "runs", "event", "bert")
    make_event_run(tmp_path / "runs", "ner", "modernbert")
    with pytest.raises(StorytellerError, match=r"different tokenizers.*encoder bert.*encoder modernbert"):
        export_events(tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_run_and_run_of_another_task_are_refused(
    make_event_run: Callable[..., Path], event_runs: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorytellerError, match=r"joint/best\.safetensors.*--task joint"):
        export_events(event_runs, tmp_path / "out", joint=True)
    make_event_run(tmp_path / "runs", "ner").rename(tmp_path / "runs" / "event")
    with pytest.raises(StorytellerError, match="holds a model of task ner, expected event"):
        export_events(tmp_path / "runs", tmp_path / "out")


@pytest.mark.usefixtures("traced")
def test_old_folder_survives_a_failed_export(event_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text("the good one")
    genuine = Sandbox.ask

    def fail_the_second(self: Sandbox, request: Any, expected: Any) -> Any:
        if isinstance(request, Validate) and request.path.endswith("ner_classifier.onnx"):
            raise RefusedError("bad graph")
        return genuine(self, request, expected)

    monkeypatch.setattr(Sandbox, "ask", fail_the_second)
    with pytest.raises(StorytellerError, match=r"ner_classifier\.onnx: valid: failed: ONNX's full check: bad graph"):
        export_events(event_runs, folder)
    assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == dict.fromkeys(
        FILES, "the good one"
    )
    kept = folder / "failed-export"
    assert sorted(path.name for path in kept.iterdir()) == ["MODEL_CARD.md", *FILES, "verification.json"]
    # The next export that succeeds replaces all of them and clears the failed one away.
    monkeypatch.setattr(Sandbox, "ask", genuine)
    export_events(event_runs, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", *FILES, "verification.json"]
    assert "the good one" not in {path.read_text(errors="ignore") for path in folder.iterdir()}


# --- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("traced")
def test_commands_in_a_row(event_runs: Path, event_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "events").symlink_to(event_runs)
    result = CliRunner().invoke(main, ["--json"])
    assert result.exit_code == 0, result.output
    folder = Path("artifacts/models/event_classifier")
    printed = json.loads(result.stdout)
    assert printed["folder"] == str(folder)
    assert [Path(file["file"]).name for file in printed["files"]] == FILES[:2]
    for name in FILES:
        assert (folder / name).read_bytes() == (event_folder / name).read_bytes()
    result = CliRunner().invoke(verify_onnx.main, [str(folder), "--checkpoint", "artifacts/events"])
    assert result.exit_code == 0, result.output
    assert "batch 4, length 128" in result.stdout
    assert json.loads((folder / "verification.json").read_text())["passed"] is True
    result = CliRunner().invoke(main, [])
    assert "event_classifier.onnx" in result.stdout


def test_command_fails_with_one_readable_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 2
    assert "train-event-classifier --task event" in result.stderr


def test_data_that_cannot_be_read_is_told_before_the_export(
    event_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "export_module", lambda *arguments: pytest.fail("the long work has begun"))
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(StorytellerError, match=r"bad\.jsonl"):
        export_events(event_runs, tmp_path / "out", data=tmp_path / "bad.jsonl")
    assert not (tmp_path / "out").exists()


# --- tokenizers that end the process -----------------------------------------------------------------------------


def _huge_id(content: dict[str, Any]) -> None:
    content["model"]["vocab"][next(iter(content["model"]["vocab"]))] = 2_147_483_648


def _inconsistent_merges(content: dict[str, Any]) -> None:
    content["model"] = {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}


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


# --- thresholds --------------------------------------------------------------------------------------------------

THRESHOLDS_OF_RUN = {"SpeechAct": 0.2, "SpatialChange": 0.9}


@pytest.mark.parametrize("joint", [False, True])
def test_aligned_logits_are_above_0_where_the_probability_was_above_its_threshold(
    make_event_run: Callable[..., Path], tmp_path: Path, joint: bool
) -> None:
    runs = tmp_path / "runs"
    for task in ("joint",) if joint else ("event", "ner"):
        make_event_run(runs, task, thresholds=THRESHOLDS_OF_RUN)
    plain = export_events(runs, tmp_path / "plain", joint=joint)
    moved = export_events(runs, tmp_path / "moved", joint=joint, align_thresholds=True)
    ids = np.arange(1, 13, dtype=np.int64)[None]
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    before, after = (
        start(tmp_path / name / Path(plain.files[0].file).name).run(None, feeds)[0][0] for name in ("plain", "moved")
    )
    limits = np.array([THRESHOLDS_OF_RUN.get(kind, 0.5) for kind in EventKind])
    np.testing.assert_allclose(after, before - np.log(limits / (1 - limits)), atol=1e-4)
    assert json.loads(moved.files[0].metadata[THRESHOLDS]) == THRESHOLDS_OF_RUN
    assert [file.metadata[ALIGNED] for file in moved.files] == (["true"] if joint else ["true", "false"])
    assert {file.metadata[ALIGNED] for file in plain.files} == {"false"}
    # Checked against the run again, the file is compared with the model that was moved.
    assert not any(failures(report) for report in verify(tmp_path / "moved", checkpoint=runs))


def test_a_run_without_thresholds_cannot_be_aligned(event_runs: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(event_runs), "-o", str(tmp_path / "out"), "--align-thresholds"])
    assert result.exit_code == 1
    assert "the run has no thresholds to align with" in " ".join(result.stderr.split())
