from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storyteller_exporter.commands.evaluate_character_model import main
from storyteller_exporter.export.character import export_character


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_run_is_shown_in_full_and_nothing_is_written(trained: Path, tmp_path: Path) -> None:
    result = run_command(trained)
    assert result.exit_code == 0, result.output
    for words in (
        "held out from the run",
        "irreducible",
        "thought.awareness",
        "ECE",
        "archetype",
        "the surest mistakes",
    ):
        assert words in result.stdout
    assert "not kept" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_output_and_predictions_are_kept(trained: Path, tmp_path: Path) -> None:
    result = run_command(trained, "--json", "-o", "kept.json", "--predictions", "lines.jsonl", "--worst", 3)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert json.loads((tmp_path / "kept.json").read_text()) == printed
    assert len(printed["mistakes"]) == 3
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert len(lines) == printed["data"]["examples"]
    assert set(lines[0]) == {"file", "line", "prediction", "outputs"}
    assert len(lines[0]["outputs"]) == 42


def test_a_file_in_the_usual_folder_is_the_default_and_its_evaluation_lies_beside_it(
    exported: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(exported, models)
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(models))
    result = run_command(models, data)
    assert result.exit_code == 0, result.output
    assert json.loads((models / "evaluation.json").read_text())["data"]["examples"] == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.onnx"], "no such model"),
        (["{exported}"], "nothing to evaluate on"),
        (["{exported}", "nowhere.jsonl"], "no such file"),
        (["{exported}", "--checkpoint", "nowhere"], "no such checkpoint"),
        (["{trained}", "--checkpoint", "{trained}"], "is a checkpoint already"),
        (["{exported}", "--checkpoint", "{trained}"], "was not trained on the data of"),
        (["{trained}", "-o", "nowhere/kept.json"], "there is no folder"),
        (["{empty}"], "holds neither"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], message: str, exported: Path, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    given = [word.format(exported=exported, trained=trained, empty=tmp_path / "empty") for word in arguments]
    result = run_command(*given)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_the_run_of_a_file_is_found_by_what_the_file_says(trained: Path, tmp_path: Path) -> None:
    export_character(trained, tmp_path / "models" / "mine.onnx")
    result = run_command("models/mine.onnx")
    assert result.exit_code == 2
    assert "no run at hand is the one that models/mine.onnx names" in result.stderr
    shutil.copytree(trained, "artifacts/runs/20260131-235958-character")
    (tmp_path / "artifacts/runs/20260131-235959-other").mkdir()
    result = run_command("models/mine.onnx", "--json")
    assert result.exit_code == 0, result.output
    assert "run: artifacts/runs/20260131-235958-character, by what the file says of itself" in result.stderr
    told = json.loads((trained / "run.json").read_text())
    assert json.loads(result.stdout)["data"]["examples"] == told["data"]["validation_examples"]


def test_without_its_run_it_is_told_that_rows_of_the_training_are_scored(
    trained: Path, sample: Path, data: Path, tmp_path: Path
) -> None:
    export_character(trained, tmp_path / "models" / "mine.onnx")
    result = run_command("models/mine.onnx", sample)
    assert result.exit_code == 0, result.output
    assert "Warning: all 400 rows are scored, those that models/mine.onnx was trained on among them" in result.stderr
    assert "Warning: all" not in run_command("models/mine.onnx", data).stderr
    shutil.copytree(trained, "artifacts/character")
    result = run_command("models/mine.onnx", sample, "--json")
    assert "Warning: all" not in result.stderr
    assert json.loads(result.stdout)["data"]["examples"] < 400
