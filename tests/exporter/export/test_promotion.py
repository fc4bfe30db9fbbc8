from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper
from storyteller_exporter.commands.compare_models import main as compare_command
from storyteller_exporter.commands.export_character_model import main as export_command
from storyteller_exporter.commands.promote_model import main as promote_command
from storyteller_exporter.export.character import export_character
from storyteller_exporter.export.character_promotion import CharacterCandidate, concerns
from storyteller_exporter.export.promotion import Promotion, promote
from storyteller_exporter.export.promotion import rollback as roll_back
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.reading.jsonl import sha256

NAME = CHARACTER.file_name


@pytest.fixture(scope="session")
def good(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of `trained`, shared: read only."""
    folder = tmp_path_factory.mktemp("good")
    export_character(trained, folder / NAME)
    return folder / NAME


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The engine's folder, empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def spoiled(good: Path, tmp_path: Path) -> Path:
    """A worse model of the same run, without a word about it."""
    model = onnx.load(str(good))
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 2:
            noisy = values + rng.normal(0, 0.2, values.shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(noisy.astype(np.float32), tensor.name))
    path = tmp_path / "spoiled" / NAME
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    return path


def promoted(
    place: Path, models: Path, *, checkpoint: Path | None = None, data: Path | None = None, margin: float = 0.01
) -> Promotion:
    return promote(CharacterCandidate(place, models, checkpoint=checkpoint, data=data), margin)


def rollback(models: Path) -> Promotion:
    return roll_back(models, [NAME])


def run_command(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))  # type: ignore[arg-type]


def test_into_an_empty_folder_a_run_is_promoted_with_a_manifest(trained: Path, models: Path) -> None:
    found = promoted(trained, models)
    assert found.promoted
    assert found.comparison is None
    manifest = json.loads((models / "manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert sha256(models / name) == digest
    assert manifest["files"][NAME] == found.files[NAME]
    assert set(manifest["files"]) == {NAME, "verification.json", "MODEL_CARD.md"}
    assert {path.name for path in models.iterdir()} == {*manifest["files"], "manifest.json"}


def test_a_better_one_replaces_a_worse_one_which_is_kept_and_comes_back(
    good: Path, spoiled: Path, trained: Path, models: Path
) -> None:
    shutil.copy(spoiled, models / NAME)
    found = promoted(good, models, checkpoint=trained)
    assert found.promoted
    assert found.comparison is not None
    assert found.comparison.outcome == "better"
    assert sha256(models / NAME) == sha256(good)
    assert sha256(models / "previous" / NAME) == sha256(spoiled) == found.previous_files[NAME]
    back = rollback(models)
    assert (back.files[NAME], back.previous_files[NAME]) == (sha256(spoiled), sha256(good))
    assert sha256(models / NAME) == sha256(spoiled)
    # No file in the folder speaks of the model that is gone.
    assert {path.name for path in models.iterdir()} == {NAME, "previous"}
    assert rollback(models).files == {NAME: sha256(good)}
    assert json.loads((models / "manifest.json").read_text())["files"][NAME] == sha256(good)


def test_what_was_replaced_meanwhile_is_not_replaced_unseen(
    good: Path, spoiled: Path, trained: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(spoiled, models / NAME)
    compare = CharacterCandidate.compare

    def compare_while_another_exports(self: CharacterCandidate, stage: Path) -> object:
        found = compare(self, stage)
        shutil.copy(good, models / NAME)
        return found

    monkeypatch.setattr(CharacterCandidate, "compare", compare_while_another_exports)
    with pytest.raises(StorytellerError, match="another command has replaced the model meanwhile; start again"):
        promoted(good, models, checkpoint=trained)
    assert sha256(models / NAME) == sha256(good)
    assert {path.name for path in models.iterdir()} == {NAME}


def test_a_worse_one_changes_nothing(good: Path, spoiled: Path, trained: Path, sample: Path, models: Path) -> None:
    shutil.copy(good, models / NAME)
    result = run_command(
        promote_command, spoiled, "--models", models, "--data", sample, "--markdown", models.parent / "summary.md"
    )
    assert result.exit_code == 1, result.output
    assert "NOT promoted" in result.stdout
    assert "it may be worse" in result.stdout
    assert sha256(models / NAME) == sha256(good)
    assert [path.name for path in models.iterdir()] == [NAME]
    summary = (models.parent / "summary.md").read_text(encoding="utf-8")
    assert "NOT promoted" in summary
    assert "| total |" in summary


def test_a_margin_lets_a_worse_one_pass(good: Path, run: Path, sample: Path, models: Path) -> None:
    shutil.copy(good, models / NAME)
    assert not promoted(run, models, data=sample).promoted
    assert promoted(run, models, data=sample, margin=1000.0).promoted


def test_a_file_without_its_run_is_not_promoted(good: Path, sample: Path, models: Path) -> None:
    found = promoted(good, models, data=sample)
    assert not found.promoted
    assert any("--checkpoint" in reason for reason in found.reasons)


def test_the_same_model_again_is_not_worse(good: Path, trained: Path, models: Path) -> None:
    shutil.copy(good, models / NAME)
    assert promoted(good, models, checkpoint=trained).promoted


def test_a_file_that_fails_its_checks_is_not_promoted(
    edited: Callable[[Callable[[onnx.ModelProto], object]], Path], sample: Path, models: Path
) -> None:
    broken = edited(lambda model: model.graph.output.pop())
    found = promoted(broken, models, data=sample)
    assert not found.promoted
    assert any("outputs" in reason for reason in found.reasons)
    assert list(models.iterdir()) == []


def test_an_unfinished_run_is_not_promoted_and_export_warns_of_it(trained: Path, models: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    told = json.loads((run / "run.json").read_text())
    told["finished"] = False
    (run / "run.json").write_text(json.dumps(told))
    found = promoted(run, models)
    assert not found.promoted
    assert "is not finished" in found.reasons[0]
    result = run_command(export_command, run, "--models", models)
    assert result.exit_code == 0, result.output
    assert "is not finished" in result.stderr


def test_export_warns_before_it_replaces_a_better_file(good: Path, run: Path, sample: Path, models: Path) -> None:
    shutil.copy(good, models / NAME)
    assert "is worse than" in concerns(run, models / NAME, sample)[0]  # random weights
    assert concerns(run, models / NAME, None) == []  # nothing to compare on
    result = run_command(export_command, run, "--models", models, "--data", sample)
    assert result.exit_code == 0, result.output
    assert "Warning: this run is worse than" in result.stderr


def test_rollback_without_anything_kept_and_of_a_changed_file(good: Path, models: Path) -> None:
    with pytest.raises(StorytellerError, match="nothing was promoted over another file"):
        rollback(models)
    (models / "previous").mkdir()
    shutil.copy(good, models / "previous" / NAME)
    (models / "previous" / "manifest.json").write_text(json.dumps({"files": {NAME: "0" * 64}}))
    with pytest.raises(StorytellerError, match=r"manifest\.json says 0000"):
        rollback(models)


def test_promotion_as_json(trained: Path, models: Path) -> None:
    result = run_command(promote_command, trained, "--models", models, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["promoted"] is True
    assert printed["files"][NAME] == sha256(models / NAME)
    undone = run_command(promote_command, "--rollback", "--models", models)
    assert undone.exit_code == 1
    assert "nothing was promoted over another file" in undone.stderr


def test_two_models_are_compared_by_a_command(good: Path, spoiled: Path, trained: Path, tmp_path: Path) -> None:
    result = run_command(
        compare_command, spoiled, trained, "-o", tmp_path / "two.html", "--markdown", tmp_path / "two.md"
    )
    assert result.exit_code == 0, result.output
    assert "the second is better" in result.stdout
    page = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert "Weighted validation loss" in page
    assert "the second is better" in (tmp_path / "two.md").read_text(encoding="utf-8")
    printed = json.loads(run_command(compare_command, good, trained, "--json").stdout)
    assert printed["outcome"] == "no difference shown"
    assert printed["options"] == {}


def test_options_that_differ_are_listed(trained: Path, sample: Path, tmp_path: Path) -> None:
    import torch
    from storyteller_trainer.character.data.dataset import load_dataset
    from storyteller_trainer.character.training.run import train_character_model

    train_character_model(
        load_dataset(sample, None), tmp_path / "other", torch.device("cpu"), options={"epochs": 1, "dropout": 0.1}
    )
    result = run_command(compare_command, tmp_path / "other", trained, "--json")
    assert result.exit_code == 0, result.output
    options = json.loads(result.stdout)["options"]
    assert options["epochs"] == [1, 12]
    assert options["dropout"][0] == 0.1


def test_without_data_a_comparison_says_what_is_missing(good: Path, spoiled: Path) -> None:
    result = run_command(compare_command, good, spoiled)
    assert result.exit_code == 1
    assert "no data to compare on: no run was named" in result.stderr
