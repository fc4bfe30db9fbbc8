"""What the environment and `.env` decide."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from storyteller_schema import console, settings
from storyteller_schema.errors import StorytellerError
from storyteller_schema.files import atomic_path, write_atomic


@console.command("show-model-path")
def show_model_path() -> None:
    """Prints the model folder."""
    click.echo(str(settings.model_path()))


def test_without_variables_results_land_in_artifacts() -> None:
    assert settings.data_path() is None
    assert settings.training_file("x.jsonl") is None
    assert settings.model_path() == Path("artifacts/models")


def test_a_command_reads_the_nearest_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "engine models"
    models.mkdir()
    (tmp_path / ".env").write_text(f'STORYTELLER_MODEL_PATH="{models}"\n', encoding="utf-8")
    below = tmp_path / "deep" / "below"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert CliRunner().invoke(show_model_path).output == f"{models}\n"


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("STORYTELLER_MODEL_PATH=/nowhere\n", encoding="utf-8")
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(tmp_path))
    assert CliRunner().invoke(show_model_path).output == f"{tmp_path}\n"


@pytest.mark.parametrize("kind", ["does not exist", "is not a folder"])
def test_a_wrong_path_names_variable_value_and_expectation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    wrong = tmp_path / "wrong"
    if kind == "is not a folder":
        wrong.touch()
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(wrong))
    result = CliRunner().invoke(show_model_path)
    assert result.exit_code == 1
    assert f"STORYTELLER_MODEL_PATH={wrong} {kind}; expected the folder from which" in result.stderr
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(wrong))
    with pytest.raises(StorytellerError, match=r"STORYTELLER_DATA_PATH=.*expected the engine's data folder"):
        settings.data_path()


def test_a_data_folder_without_the_file_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(tmp_path))
    with pytest.raises(StorytellerError, match=r"has no training-data/low\.jsonl.*DATA="):
        settings.training_file("low.jsonl")
    (tmp_path / "training-data").mkdir()
    (tmp_path / "training-data" / "low.jsonl").touch()
    assert settings.training_file("low.jsonl") == tmp_path / "training-data" / "low.jsonl"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_atomic(target, "old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the ne", encoding="utf-8")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorytellerError, match="cannot write here"):
        write_atomic(tmp_path / "file" / "below.json", b"")
