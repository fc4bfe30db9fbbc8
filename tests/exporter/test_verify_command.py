"""The command `verify-onnx`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from storyteller_exporter.findings import Verification
from storyteller_exporter.interface import CHARACTER
from storyteller_exporter.verify import write_report
from storyteller_exporter.verify_cli import main
from storyteller_schema.errors import StorytellerError
from storyteller_schema.predictions import HEADS
from verified import Edited, change

FILE_NAME = CHARACTER.file_name


def test_command_prints_the_table_and_writes_the_report_beside_the_file(exported: Path, run: Path) -> None:
    result = CliRunner().invoke(main, [str(exported), "--checkpoint", str(run)])
    assert result.exit_code == 0, result.output
    assert "random, batch 256" in result.stdout
    assert "passed" in result.stdout
    written = json.loads((exported.parent / "verification.json").read_text())
    assert written["passed"] is True
    (file,) = written["files"]
    assert file["interface"] == "character"
    assert len(file["differences"]) == 7 * len(HEADS)
    (exported.parent / "verification.json").unlink()


def test_command_as_json_and_with_another_place_for_the_report(edited: Edited, run: Path, tmp_path: Path) -> None:
    path = edited(lambda model: change(model, "heads.thought.2.bias", lambda bias: bias + 1e-3))
    report = tmp_path / "report.json"
    result = CliRunner().invoke(main, [str(path), "--checkpoint", str(run), "--json", "--output", str(report)])
    assert result.exit_code == 1
    printed = json.loads(result.stdout)
    assert printed["passed"] is False
    assert printed == json.loads(report.read_text())
    assert not (path.parent / "verification.json").exists()


def test_command_finds_the_default_file(exported: Path, tmp_path: Path) -> None:
    models = tmp_path / "artifacts" / "models"
    models.mkdir(parents=True)
    (models / FILE_NAME).write_bytes(exported.read_bytes())
    assert CliRunner().invoke(main, []).exit_code == 0
    assert (models / "verification.json").is_file()


def test_wrong_use_exits_2() -> None:
    assert CliRunner().invoke(main, ["--no-such-option"]).exit_code == 2


def test_report_in_an_impossible_place_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="there is no folder"):
        write_report([Verification("x.onnx")], tmp_path / "none" / "verification.json")


def test_read_only_folder_is_a_clear_error(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)  # as a read-only folder does, also for root
    result = CliRunner().invoke(main, [str(exported)])
    assert result.exit_code == 1
    assert "verification.json: cannot write here: Permission denied" in result.stderr
    assert "--output" in result.stderr
    assert "decodes" in result.stdout
