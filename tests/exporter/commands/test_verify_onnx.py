"""The command `verify-onnx`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from failing_disk import refuse_new_files
from storyteller_exporter.checks.verification_report import Verification
from storyteller_exporter.commands.verify_onnx import main
from storyteller_exporter.export.character import export_character
from storyteller_exporter.verify.verification import write_report
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.model.held_out import data_of_run
from verified import Edited, change

FILE_NAME = CHARACTER.file_name


def everything(folder: Path) -> dict[Path, bytes]:
    """Every file at or below a folder, with its content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def strange(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in somebody else's folder; the working directory is a third one, `here`."""
    path = tmp_path / "theirs" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(exported.read_bytes())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return path


def test_command_prints_the_table_and_writes_the_report_beside_the_workspaces_own_file(
    exported: Path, run: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / FILE_NAME).write_bytes(exported.read_bytes())
    result = CliRunner().invoke(main, ["--models", str(models), "--checkpoint", str(run)])
    assert result.exit_code == 0, result.output
    assert "random, batch 256" in result.stdout
    assert "passed" in result.stdout
    written = json.loads((models / "verification.json").read_text())
    assert (written["passed"], written["verdict"]) == (True, "passed")
    (file,) = written["files"]
    assert file["interface"] == "character"
    assert len(file["differences"]) == 7 * len(HEADS)


def test_own_is_what_lies_in_the_engines_folder(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "engine" / "models" / "int8"
    inside.mkdir(parents=True)
    (inside / FILE_NAME).write_bytes(exported.read_bytes())
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(inside.parent))
    assert CliRunner().invoke(main, [str(inside / FILE_NAME), "--allow-unjudged"]).exit_code == 0
    assert (inside / "verification.json").is_file()


def test_nothing_is_written_beside_somebody_elses_file(
    strange: Path, trained: Path, sample: Path, tmp_path: Path
) -> None:
    before = everything(tmp_path), everything(trained), everything(sample.parent)
    for options in ([], ["--checkpoint", str(trained)], ["--checkpoint", str(trained), "--data", str(sample)]):
        result = CliRunner().invoke(main, [str(strange), *options])
        assert "fingerprint        ok" in result.stdout, "what was found is shown all the same"
        assert f"no report is written: {strange} lies outside of artifacts/models; --output FILE" in result.stderr
    assert (everything(tmp_path), everything(trained), everything(sample.parent)) == before
    assert [*Path().iterdir()] == []
    CliRunner().invoke(main, [str(strange), "--output", "report.json"])
    assert [path.name for path in Path().iterdir()] == ["report.json"]


def test_parsed_data_is_kept_in_a_workspace_only(strange: Path, sample: Path) -> None:
    Path("artifacts/cache").mkdir(parents=True)
    CliRunner().invoke(main, [str(strange), "--data", str(sample)])
    assert [*Path("artifacts/cache").glob("*/features.npy")]


def test_file_that_does_not_exist_leaves_nothing_behind(tmp_path: Path) -> None:
    Path("artifacts/models").mkdir(parents=True)
    Path("artifacts/models/verification.json").write_text("of another file")
    before = everything(tmp_path)
    for arguments in (["none.onnx"], ["artifacts/models/none.onnx"], [], ["--events"], ["none.onnx", "-o", "report"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2, arguments
        assert "no such file or folder" in result.stderr
    empty = CliRunner().invoke(main, ["artifacts/models"])
    assert (empty.exit_code, "FAILED" in empty.stdout) == (1, True)
    assert everything(tmp_path) == before


def test_a_folder_that_holds_no_model_says_why_on_stderr_too_and_which_folder_in_it_does(exported: Path) -> None:
    inside = Path("mine/character")
    inside.mkdir(parents=True)
    for arguments in (["mine"], ["mine", "-o", "report.json"], ["mine", "--json"]):
        empty = CliRunner().invoke(main, arguments)
        assert empty.exit_code == 1
        assert empty.stderr.startswith("no report is written: mine: none of the engine's files is in this folder: ")
        assert str(inside) not in empty.stderr
    shutil.copy(exported, inside)
    assert CliRunner().invoke(main, ["mine"]).stderr.endswith(f"; name the folder that holds some: {inside}\n")


def test_report_on_a_broken_file_replaces_that_on_the_good_one() -> None:
    models = Path("artifacts/models")
    models.mkdir(parents=True)
    (models / FILE_NAME).write_text("not an ONNX file")
    (models / "verification.json").write_text('{"passed": true}')
    assert CliRunner().invoke(main, []).exit_code == 1
    assert json.loads((models / "verification.json").read_text())["verdict"] == "failed"


@pytest.mark.parametrize("option", [["--events"], ["--int8"], ["--models", "models"]])
def test_a_path_and_an_option_that_finds_one_exclude_each_other(option: list[str]) -> None:
    result = CliRunner().invoke(main, ["model.onnx", *option])
    assert result.exit_code == 2
    assert f"PATH model.onnx says where already; leave it out, or {option[0]}" in result.stderr


# --- the data of the run -----------------------------------------------------------------------------------------


def test_real_rows_are_those_that_the_run_held_out(trained: Path, sample: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    export_character(trained, models / FILE_NAME)
    result = CliRunner().invoke(main, ["--models", str(models), "--checkpoint", str(trained)])
    assert result.exit_code == 0, result.output
    (count,) = {len(data_of_run(load_checkpoint(trained), None).held_out)}
    assert f"{count} of 400 examples, held out from the run" in " ".join(result.stdout.split())
    assert f"real, batch {count}" in result.stdout


def test_data_that_is_gone_is_said_and_the_rest_goes_on(trained: Path, sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    summary = json.loads((run / "run.json").read_text())
    moved = tmp_path / "moved.jsonl"
    summary["data"]["files"][0]["path"] = str(moved)
    (run / "run.json").write_text(json.dumps(summary))
    export_character(run, tmp_path / "models" / FILE_NAME)
    arguments = ["--models", str(tmp_path / "models"), "--checkpoint", str(run)]
    for content, reason in ((None, "is not there any more"), (b"{}\n", "has changed")):
        if content is not None:
            moved.write_bytes(content)
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        told = f"the run's data {moved} {reason}: parity on generated cases only"
        assert told in " ".join(result.stdout.split()) or told.replace(" ", "") in "".join(result.stdout.split())
        assert "real, batch" not in result.stdout
    assert CliRunner().invoke(main, [*arguments, "--data", str(sample)]).exit_code == 0
    assert CliRunner().invoke(main, [*arguments, "--data", str(moved)]).exit_code == 1


# --- what is printed and written ---------------------------------------------------------------------------------


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
    assert CliRunner().invoke(main, ["--allow-unjudged"]).exit_code == 0
    assert (models / "verification.json").is_file()


def test_wrong_use_exits_2() -> None:
    assert CliRunner().invoke(main, ["--no-such-option"]).exit_code == 2


def test_report_in_an_impossible_place_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="there is no folder"):
        write_report([Verification("x.onnx")], tmp_path / "none" / "verification.json")


def test_read_only_folder_is_a_clear_error(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_new_files(monkeypatch)
    result = CliRunner().invoke(main, ["--models", str(exported.parent)])
    assert result.exit_code == 1
    assert "verification.json: cannot write here: Permission denied" in result.stderr
    assert "--output" in result.stderr
    assert "fingerprint        ok" in result.stdout, "what was found is shown all the same"
