"""Runs that stay beside each other, the link to the latest, what they say of themselves, and the table of all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storyteller_trainer.commands.generate_training_data import main as generate
from storyteller_trainer.commands.list_runs import main as list_runs
from storyteller_trainer.commands.train_character_model import main as train
from workspace import BIN


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "character.jsonl"
    options = ["--cells", "20", "--examples", "200", "--seed", "5", "--output", str(path)]
    generate.main(options, standalone_mode=False)
    return path


def run_command(command: object, *arguments: object) -> Result:
    result = CliRunner().invoke(command, list(map(str, arguments)))  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result


def test_a_second_training_leaves_the_first_alone(file: Path) -> None:
    run_command(train, file, "--epochs", 1, "--name", "first")
    run_command(train, file, "--epochs", 2, "--name", "second")
    first, second = (next(Path("artifacts/runs").glob(f"*-{name}")) for name in ("first", "second"))
    assert json.loads((first / "run.json").read_text())["epochs"] == 1
    assert Path("artifacts/character").resolve() == second.resolve()
    listed = json.loads(run_command(list_runs, "--json").stdout)
    assert [(row["run"], row["latest"], row["state"]) for row in listed] == [
        (str(first), False, "finished"),
        (str(second), True, "finished"),
    ]
    # Its labels follow no rules, so that they cannot be expected ones.
    assert listed[0]["differs"] == {"epochs": 1, "expected_labels": False}
    assert listed[0]["model"] == "character"
    table = run_command(list_runs).stdout
    assert "epochs 2" in table
    assert "second (latest)" in table


@pytest.mark.slow
def test_two_trainings_that_begin_together_have_a_folder_each(file: Path) -> None:
    words = [sys.executable, str(BIN / "train-character-model"), str(file), "--epochs", "1", "--threads", "1"]
    both = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    listed = json.loads(run_command(list_runs, "--json").stdout)
    assert [row["state"] for row in listed] == ["finished", "finished"]
    assert sum(row["latest"] for row in listed) == 1


def test_a_training_that_never_began_leaves_no_folder_and_an_empty_one_is_no_run(file: Path) -> None:
    result = CliRunner().invoke(train, [str(file), "--val-fraction", "0.999", "--epochs", "1"])
    assert (result.exit_code, "Error: " in result.stderr) == (1, True)
    assert list(Path("artifacts/runs").iterdir()) == []
    Path("artifacts/runs/20260131-235958-killed").mkdir()
    assert run_command(list_runs).stdout == "no run in artifacts\n"
    run_command(train, file, "--epochs", 1, "--name", "next")
    assert [row["state"] for row in json.loads(run_command(list_runs, "--json").stdout)] == ["finished"]


def test_run_json_says_how_the_run_came_about_and_resuming_keeps_it(file: Path) -> None:
    folder = Path("run")
    run_command(train, file, "--recipe", "reference", "--epochs", 1, "--seed", 9, "-o", folder)
    told = json.loads((folder / "run.json").read_text())
    assert told["started"].endswith("+00:00")
    assert (told["preset"], told["differs"]) == ("reference", {"epochs": 1, "seed": 9})
    assert told["command"]
    assert told["host"]
    run_command(train, file, "--resume", "--epochs", 2, "-o", folder)
    again = json.loads((folder / "run.json").read_text())
    assert again["epochs"] == 2
    assert {name: again[name] for name in ("started", "command", "differs")} == {
        name: told[name] for name in ("started", "command", "differs")
    }


def test_run_json_is_there_before_the_first_epoch(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storyteller_trainer.runs.folder import RunFolder

    seen: list[dict[str, object]] = []
    genuine = RunFolder.begin

    def look(self: RunFolder) -> None:  # type: ignore[type-arg]
        genuine(self)
        seen.append(json.loads((self.path / "run.json").read_text()))

    monkeypatch.setattr(RunFolder, "begin", look)
    run_command(train, file, "--epochs", 1, "-o", "run")
    assert (seen[0]["finished"], seen[0]["epochs"]) == (False, 0)
    assert seen[0]["started"]


def test_the_commit_is_told_and_whether_files_differ_from_it(file: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git")
    Path("tracked").write_text("a")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "tracked"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], check=True)
    run_command(train, file, "--epochs", 1, "-o", "run")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    told = json.loads(Path("run/run.json").read_text())
    assert told["commit"] == commit
    assert told["dirty"] is True  # the run itself is not committed


@pytest.mark.parametrize("kind", ["run.json", "toml", "table"])
def test_a_recipe_comes_from_a_file_and_options_go_before_it(file: Path, kind: str) -> None:
    run_command(train, file, "--epochs", 1, "--dropout", 0.25, "--batch-size", 64, "-o", "earlier")
    place = Path("earlier/run.json")
    if kind != "run.json":
        place = Path("mine.toml")
        head = "[recipe]\n" if kind == "table" else ""
        place.write_text(f"{head}epochs = 1\ndropout = 0.25\nbatch_size = 64\n")
    run_command(train, file, "--recipe", place, "--batch-size", 32, "-o", "later")
    recipe = json.loads(Path("later/run.json").read_text())["recipe"]
    assert (recipe["epochs"], recipe["dropout"], recipe["batch_size"]) == (1, 0.25, 32)


@pytest.mark.parametrize(
    ("content", "message"),
    [("epoch = 1", "epoch is no value of a recipe"), ("epochs = 0", "epochs is 0"), ("epochs =", "cannot be read")],
)
def test_a_wrong_recipe_file_is_told(file: Path, content: str, message: str) -> None:
    Path("wrong.toml").write_text(content)
    result = CliRunner().invoke(train, [str(file), "--recipe", "wrong.toml"])
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_runs_of_earlier_versions_and_of_event_models_are_listed() -> None:
    old, events = Path("artifacts/character"), Path("artifacts/events/event")
    for folder, told in (
        (old, {"finished": True, "epochs": 40, "head_losses": {}, "val_loss": 1.5}),
        (events, {"finished": False, "task": "event", "epochs": 2, "scores": {}}),
    ):
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(told))
    listed = {row["run"]: row for row in json.loads(run_command(list_runs, "--json").stdout)}
    assert listed[str(old)]["score"] == "loss 1.5000"
    assert (listed[str(events)]["model"], listed[str(events)]["state"]) == ("event", "not finished")


def test_without_runs_the_table_says_so() -> None:
    assert "no run in" in run_command(list_runs).stdout


@pytest.mark.parametrize(
    "content",
    [
        *('{"val_loss": "abc"}', '{"val_loss": null}', '{"scores": null}', '{"scores": {"validation": []}}'),
        '{"scores": {"validation": {"events": {"macro": {"f1": "x"}}, "entities": [1]}}}',
        *('{"started": 5}', '{"commit": 7}', '{"differs": [1]}', '{"differs": null}', '{"data": {"file": ["x"]}}'),
        '{"differs": {"epochs": NaN}}',
        *('{"epochs": "[/x]", "best_epoch": [1]}', '{"task": {}}', "[1]", "{", "", "\xff", "[" * 100_000),
    ],
)
def test_a_summary_that_is_damaged_hides_no_other_run(content: str) -> None:
    for name, text in (("damaged", content), ("sound", '{"started": "2026-01-31", "val_loss": 2.5}')):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "run.json").write_text(text, encoding="latin-1")
    listed = json.loads(run_command(list_runs, "--json", "runs").stdout)
    assert {row["run"]: row["score"] for row in listed} == {"runs/damaged": "", "runs/sound": "loss 2.5000"}
    assert "runs/damaged" in run_command(list_runs, "runs").stdout
