"""A good file stays as it is whatever becomes of the export that was to replace it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from click.testing import CliRunner
from run_kinds import SPOILT, spoil
from storyteller_exporter.commands.export_character_model import main
from storyteller_exporter.commands.verify_onnx import main as verify_onnx
from storyteller_exporter.export import character
from storyteller_exporter.export.character import SIZE_LIMITS, export_character
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.sandbox.messages import Load, Validate
from storyteller_exporter.sandbox.process import RefusedError, Sandbox
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata
from storyteller_trainer.runs.run_files import BEST
from verified import change

GOOD = dict.fromkeys(("character_predictor.onnx", "verification.json"), b"the good one")


def _refused(request: type, reason: str) -> Callable[[pytest.MonkeyPatch], None]:
    def breakage(monkeypatch: pytest.MonkeyPatch) -> None:
        genuine = Sandbox.ask

        def ask(self: Sandbox, asked: Any, expected: Any) -> Any:
            if isinstance(asked, request):
                raise RefusedError(reason)
            return genuine(self, asked, expected)

        monkeypatch.setattr(Sandbox, "ask", ask)

    return breakage


def _wrong_number(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = vars(character)["export_module"]

    def wrong(*arguments: Any) -> onnx.ModelProto:
        graph: onnx.ModelProto = genuine(*arguments)
        change(graph, "heads.thought.2.bias", lambda bias: bias + 1e-3)
        return graph

    monkeypatch.setattr(character, "export_module", wrong)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (_refused(Validate, "bad graph"), "valid: failed: ONNX's full check: bad graph"),
        (_refused(Load, "cannot load"), "complete: failed: ONNX Runtime cannot load it: cannot load"),
        (_wrong_number, "parity: failed: 5 of 28 comparisons differ"),
    ],
)
def test_good_file_survives_an_export_that_fails_its_checks(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breakage: Callable[[pytest.MonkeyPatch], None],
    message: str,
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    target = folder / "character_predictor.onnx"
    target.write_bytes(b"the good one")
    (folder / "verification.json").write_bytes(b"the report on it")
    breakage(monkeypatch)
    result = CliRunner().invoke(main, [str(run), "--output", str(target)])
    assert result.exit_code == 1
    assert result.stdout == ""
    kept = folder / "failed-export"
    assert f"{folder}: nothing was replaced: the export failed its checks; it lies in {kept}" in result.stderr
    assert f"  character_predictor.onnx: {message}" in result.stderr
    assert target.read_bytes() == b"the good one"
    assert (folder / "verification.json").read_bytes() == b"the report on it"
    assert sorted(path.name for path in folder.iterdir()) == [target.name, kept.name, "verification.json"]
    assert json.loads((kept / "verification.json").read_text())["files"][0]["file"] == str(target)
    assert (kept / target.name).stat().st_size > 1_600_000


@pytest.mark.usefixtures("traced")
def test_good_file_survives_an_export_that_is_too_large(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models" / "character_predictor.onnx"
    monkeypatch.setitem(SIZE_LIMITS, metadata_props.FLOAT32, 1_000_000)
    with pytest.raises(StorytellerError, match="bytes; it may have 1,000,000"):
        export_character(run, target)
    assert not target.parent.exists()


@pytest.mark.usefixtures("traced")
def test_good_file_survives_an_export_that_is_killed_or_stopped_during_its_checks(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name, content in GOOD.items():
        (folder / name).write_bytes(content)

    def press_ctrl_c(file: Path, *_: Any, **__: Any) -> None:
        assert file.stat().st_size > 1_600_000
        # What is there now is what a process leaves that is killed now.
        visible = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
        assert visible == GOOD
        raise KeyboardInterrupt

    monkeypatch.setattr(character, "verify_as", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        export_character(run, folder / CHARACTER.file_name)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == GOOD


@pytest.mark.usefixtures("traced")
def test_report_of_an_old_file_does_not_stay_beside_a_new_one(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "character_predictor.onnx"
    target.parent.mkdir()
    report = target.with_name("verification.json")
    report.write_text("of an old file")
    found = export_character(run, target)
    assert (found.verdict, found.verification) == ("passed", str(report))
    (file,) = json.loads(report.read_text())["files"]
    assert file["file"] == str(target)
    assert file["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert {"PyTorch", "one by one"} == {difference["against"] for difference in file["differences"]}


def test_good_file_survives_a_failing_exporter(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no such operator\nand a long listing")

    monkeypatch.setattr(torch.onnx, "export", fail)
    target = tmp_path / "character_predictor.onnx"
    target.write_bytes(b"the good one")
    with pytest.raises(StorytellerError, match=r"could not export the character model: no such operator$"):
        export_character(run, target)
    assert target.read_bytes() == b"the good one"


@pytest.mark.usefixtures("traced")
def test_unwritable_target_is_a_clear_error(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorytellerError, match="cannot write here"):
        export_character(run, tmp_path / "file" / "model.onnx")


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_weights_are_not_exported_over_a_good_file(
    make_run: Callable[..., Path], exported: Path, tmp_path: Path, how: str
) -> None:
    run = make_run()
    told = spoil(run / BEST, CheckpointMetadata, how)
    target = tmp_path / CHARACTER.file_name
    target.write_bytes(exported.read_bytes())
    with pytest.raises(StorytellerError, match=told):
        export_character(run, target)
    assert target.read_bytes() == exported.read_bytes()
    assert CliRunner().invoke(verify_onnx, [str(target), "--checkpoint", str(run)]).exit_code == 1
