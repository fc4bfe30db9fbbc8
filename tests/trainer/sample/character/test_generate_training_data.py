"""`generate-training-data`."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from storyteller_trainer.commands import generate_training_data
from storyteller_trainer.sample.character.descriptor_files import SHIPPED
from storyteller_trainer.sample.character.generate import CHUNK


def run(*arguments: str) -> Result:
    return CliRunner().invoke(generate_training_data.main, list(arguments))


def test_it_writes_to_artifacts_and_prints_a_summary(tmp_path: Path) -> None:
    result = run("--examples", "120", "--cells", "60")
    assert result.exit_code == 0
    assert f"Descriptors: {SHIPPED} (shipped with this package)" in result.stderr
    rows = {line[:18].strip(): line[18:] for line in result.stdout.splitlines()}
    assert list(rows) == ["examples", "cells", "rejected", "mean coherence", "irreducible loss", "file", "time"]
    assert rows["examples"] == "120"
    assert rows["cells"].startswith("60 (")
    assert rows["file"].startswith("artifacts/data/character.jsonl (0.3 MB)")
    assert len((tmp_path / "artifacts/data/character.jsonl").read_text().splitlines()) == 120
    manifest = json.loads((tmp_path / "artifacts/data/character.manifest.json").read_text())
    assert rows["irreducible loss"].startswith(f"{manifest['irreducible_loss']['total']:.4f} (action ")


def test_json_is_the_manifest_with_file_and_time(tmp_path: Path) -> None:
    result = run("--variations", "2", "--cells", "5", "--output", "made.jsonl", "--json")
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed.pop("file") == "made.jsonl"
    assert printed.pop("seconds") >= 0
    assert printed == json.loads((tmp_path / "made.manifest.json").read_text())
    assert printed["total_valid"] == 10


def test_options_reach_the_generator() -> None:
    result = run("--genre", "tidewall_noir", "--examples", "30", "--seed", "5", "--min-coherence", "0.9", "--json")
    manifest = json.loads(result.stdout)
    assert (manifest["genre"], manifest["seed"], manifest["min_coherence"]) == ("tidewall_noir", 5, 0.9)


def test_the_users_own_descriptors_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(shutil.copytree(SHIPPED, tmp_path / "data" / "training-data" / "descriptors"))
    genres = json.loads((own / "genres.json").read_text())
    genres["genres"][0]["valid_archetypes"] = genres["genres"][0]["valid_archetypes"][:2]
    genres["genres"][0]["valid_dynamics"] = genres["genres"][0]["valid_dynamics"][:1]
    (own / "genres.json").write_text(json.dumps(genres))
    (tmp_path / ".env").write_text(f"STORYTELLER_DATA_PATH={tmp_path / 'data'}\n")
    result = run("--json")
    assert result.exit_code == 0
    assert f"Descriptors: {own} (found through STORYTELLER_DATA_PATH)" in result.stderr
    # Two ordered pairs, one dynamic, twelve profiles, two roles.
    assert "Drawing from 48 cells; genre low_fantasy_folklore has 48" in result.stderr
    assert json.loads(result.stdout)["total_generated"] == 15_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cells", "100000"], "'--cells': 100000 cells are asked for, but genre"),
        (["--cells", "10", "--examples", "5"], "'--cells' and '--examples': 5 examples cannot cover 10 cells"),
        (["--examples", "5", "--variations", "5"], "give one of them, not both"),
        (["--genre", "opera"], "'--genre': genre \"opera\" is not in the descriptors"),
        (["--descriptors", "nowhere"], "'--descriptors': nowhere is not a folder"),
        (["--min-coherence", "2"], "'--min-coherence': min_coherence is 2.0"),
        (["--seed", "-1"], "'--seed': seed is -1"),
        (["--output", "data.txt"], "'-o' / '--output': data.txt: training data is written as JSONL"),
        (["-o", "."], "'.' is a directory"),
        (["--cells", "many"], "'many' is not a valid integer"),
        (["--wrong"], "No such option"),
        (["surplus"], "unexpected extra argument"),
    ],
)
def test_wrong_use_is_exit_code_2_and_names_the_option(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_place_that_cannot_be_written_to_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("--output", "file/data.jsonl")
    assert result.exit_code == 1
    assert "cannot write here" in result.stderr


def test_broken_descriptors_are_reported(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "own"))
    (folder / "dynamics.json").write_text('{"dynamics": [{"id": 3}]}')
    result = run("--descriptors", str(folder))
    assert result.exit_code == 1
    assert f"{folder / 'dynamics.json'}: dynamics[0].id is 3" in result.stderr


def test_help_ends_in_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "Example:\n    generate-training-data " in result.stdout


def test_away_from_a_terminal_progress_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_training_data, "SECONDS_BETWEEN_LINES", 0.0)
    result = run("--examples", str(CHUNK + 1), "--cells", "3")
    assert f"{CHUNK:,} of {CHUNK + 1:,} examples" in result.stderr
    assert f"{CHUNK + 1:,} of {CHUNK + 1:,} examples" in result.stderr


def test_on_a_terminal_progress_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(generate_training_data, "err", Console(file=screen, force_terminal=True, width=120))
    assert run("--examples", "20").exit_code == 0
    assert "Generating" in screen.getvalue()
    assert "20/20" in screen.getvalue()
