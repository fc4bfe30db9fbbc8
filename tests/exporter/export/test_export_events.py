"""The event folder: what is exported, and what is not."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from run_kinds import SPOILT, spoil
from storyteller_exporter.checks.verification_report import Status, Verdict, Verification
from storyteller_exporter.commands import verify_onnx
from storyteller_exporter.commands.export_event_classifier import main
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
from storyteller_exporter.sandbox.messages import Validate
from storyteller_exporter.sandbox.process import RefusedError, Sandbox
from storyteller_exporter.verify.verification import verify, verify_file
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


# --- exports that cannot be --------------------------------------------------------------------------------------


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


# --- thresholds --------------------------------------------------------------------------------------------------


THRESHOLDS_OF_RUN = {"SpeechAct": 0.2, "SpatialChange": 0.9}


@pytest.mark.parametrize("joint", [False, True])
def test_aligned_logits_are_above_0_where_the_probability_was_above_its_threshold(
    make_event_run: Callable[..., Path],
    event_folder: Path,
    joint_export: Callable[[str], tuple[Path, Path]],
    tmp_path: Path,
    joint: bool,
) -> None:
    runs = tmp_path / "runs"
    for task in ("joint",) if joint else ("event", "ner"):
        make_event_run(runs, task, thresholds=THRESHOLDS_OF_RUN)
    moved = export_events(runs, tmp_path / "moved", joint=joint, align_thresholds=True)
    name = Path(moved.files[0].file).name
    plain = (joint_export("bert")[1] if joint else event_folder) / name  # of the same weights
    ids = np.arange(1, 13, dtype=np.int64)[None]
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    before, after = (start(file).run(None, feeds)[0][0] for file in (plain, tmp_path / "moved" / name))
    limits = np.array([THRESHOLDS_OF_RUN.get(kind, 0.5) for kind in EventKind])
    np.testing.assert_allclose(after, before - np.log(limits / (1 - limits)), atol=1e-4)
    assert json.loads(moved.files[0].metadata[THRESHOLDS]) == THRESHOLDS_OF_RUN
    assert [file.metadata[ALIGNED] for file in moved.files] == (["true"] if joint else ["true", "false"])
    assert start(plain).get_modelmeta().custom_metadata_map[ALIGNED] == "false"
    # Checked against the run again, the file is compared with the model that was moved.
    assert not any(failures(report) for report in verify(tmp_path / "moved", checkpoint=runs))


def test_a_run_without_thresholds_cannot_be_aligned(event_runs: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(event_runs), "-o", str(tmp_path / "out"), "--align-thresholds"])
    assert result.exit_code == 1
    assert "the run has no thresholds to align with" in " ".join(result.stderr.split())
