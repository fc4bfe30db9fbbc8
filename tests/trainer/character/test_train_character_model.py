"""The command: its options, exit codes, and what goes where."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from storyteller_trainer.character.data import shards
from storyteller_trainer.character.training import run
from storyteller_trainer.character.training.recipe import Recipe
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.commands.train_character_model import main
from storyteller_trainer.runs.recipe_values import values
from storyteller_trainer.runs.run_facts import RunFacts
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.plan import make_plan
from storyteller_trainer.sample.character.writer import write_dataset

QUICK = ("--epochs", "2", "--batch-size", "64", "--device", "cpu")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_training_prints_tables_and_writes_the_run(small_jsonl: Path) -> None:
    done = call(small_jsonl, *QUICK)
    assert done.exit_code == 0, done.output
    assert "validation side, epoch 2 of 2" in done.stdout
    assert "action.type" in done.stdout
    assert "engine's cut" in done.stdout
    run = Path("artifacts/character").resolve().relative_to(Path.cwd())
    assert f"best checkpoint: {run}/best.safetensors" in done.stdout
    assert f"Data: {small_jsonl} (240 examples)\n" in done.stderr
    assert "Training on cpu\nlabels against the engine's rules: differ in: " in done.stderr
    assert "Computing by 1 thread: 64.0 of 64 CPUs are free (--threads N fixes" in done.stderr
    assert "epoch 2/2" in done.stderr
    assert Path("artifacts/character/best.safetensors").exists()
    assert Path("artifacts/cache").exists()


def test_json_is_the_same_result_for_another_program(small_jsonl: Path) -> None:
    done = call(small_jsonl, *QUICK, "--json", "--output-dir", "elsewhere")
    printed, kept = json.loads(done.stdout), json.loads(Path("elsewhere/run.json").read_text())
    assert printed == {name: kept[name] for name in printed}
    assert kept.keys() - printed.keys() == set(RunFacts.__struct_fields__)


def test_every_value_of_the_recipe_has_an_option(small_jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(values(Recipe)) == set(Recipe().as_dict())
    seen: dict[str, Any] = {}

    def catch(*args: Any, options: dict[str, Any], **kwargs: Any) -> None:
        seen.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train_character_model", catch)
    examples: dict[type, Any] = {bool: True, int: 7, float: 0.5}
    given = {
        name: about.bound.words[1] if about.bound.words else examples[type(getattr(Recipe(), name))]
        for name, about in values(Recipe).items()
    }
    flags = [
        text
        for name, about in values(Recipe).items()
        for text in ([about.flag] if given[name] is True else [about.flag, str(given[name])])
    ]
    call(small_jsonl, *flags)
    assert seen == given


def test_the_options_of_the_reference_are_there() -> None:
    shown = call("--help").stdout
    for option in (
        *("--epochs", "--batch-size", "--lr", "--patience", "--seed", "--dropout", "--device", "--output-dir"),
        *("--action-weight", "--speech-weight", "--thought-weight", "--emotion-weight", "--validate-only", "--resume"),
    ):
        assert f"{option} " in shown


def test_help_ends_its_text_with_an_example() -> None:
    assert "Example:\n    generate-training-data" in call("--help").stdout


def test_the_users_own_data_is_found(small_jsonl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "engine"
    (home / "training-data").mkdir(parents=True)
    (home / "training-data" / "low_fantasy_folklore.jsonl").write_bytes(small_jsonl.read_bytes())
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(home))
    done = call(*QUICK)
    assert done.exit_code == 0
    assert f"Data: {home}/training-data/low_fantasy_folklore.jsonl (240 examples)" in done.stderr


def test_a_data_path_without_the_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(tmp_path))
    done = call()
    assert done.exit_code == 2
    assert "has no training-data/low_fantasy_folklore.jsonl" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "cuda:99"), "device 'cuda:99' is not available"),
        (("--val-fraction", "0.001"), "leaves the validation side without a cell"),
    ],
)
def test_a_mistake_is_one_message(small_jsonl: Path, arguments: tuple[str, ...], message: str) -> None:
    done = call(small_jsonl, *arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_the_number_of_threads_can_be_fixed(small_jsonl: Path) -> None:
    done = call(small_jsonl, *QUICK, "--threads", "2")
    assert "Computing by 2 threads, as --threads or OMP_NUM_THREADS says" in done.stderr
    assert json.loads(Path("artifacts/character/run.json").read_text())["threads"] == 2
    done = CliRunner().invoke(main, [str(small_jsonl), *QUICK], env={"OMP_NUM_THREADS": "3"})
    assert "Computing by 3 threads, as --threads or OMP_NUM_THREADS says" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dropout", "1"), "'--dropout': dropout is 1.0; it must be from 0 to below 1"),
        (("--epochs", "many"), "'--epochs': 'many' is not a valid integer"),
        (("--recipe", "secret"), "'--recipe': 'secret' is neither default nor reference"),
        (("--unknown",), "No such option '--unknown'"),
        (("--threads", "0"), "'--threads': '0' is neither auto nor a number from 1 on"),
        (("--accumulate", "641"), "'--accumulate': accumulate is 641; it must be from 1 to batch_size, 640"),
        (("--memory-limit", "nan"), "'--memory-limit': nan is not 0 or more"),
        (("--processes", "2", "--device", "cuda:0"), "2 processes cannot share cuda:0"),
        (("--processes", "2", "--device", "mps"), "several processes cannot train on mps"),
        (("--validate-only", "--resume"), "--validate-only trains nothing: --resume says nothing about it"),
    ],
)
def test_wrong_use_names_the_option(small_jsonl: Path, arguments: tuple[str, ...], message: str) -> None:
    done = call(small_jsonl, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_resumed_run_may_have_a_recipe_that_the_preset_alone_would_not_allow(small_jsonl: Path) -> None:
    large = ("--batch-size", "300", "--accumulate", "300")
    assert call(small_jsonl, *QUICK[:2], *large, "--device", "cpu").exit_code == 0
    again = call(small_jsonl, "--resume", "--accumulate", "300", "--device", "cpu")
    assert again.exit_code == 0, again.output
    assert call(small_jsonl, "--resume", "--accumulate", "0").exit_code == 2


def test_bad_data_stops_before_training(tmp_path: Path, small_jsonl: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(small_jsonl.read_bytes() + b"oops\n")
    done = call(bad)
    assert done.exit_code == 1
    assert f"{bad}: line 241: not JSON" in done.stderr
    assert not Path("artifacts/character").exists()


def test_ctrl_c_before_training(small_jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "load_shards", press)
    done = call(small_jsonl)
    assert done.exit_code == 130
    assert "Stopped by Ctrl-C" in done.stderr


def test_ctrl_c_in_training_says_how_to_go_on(small_jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(self: Trainer, *args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", press)
        done = call(small_jsonl, *QUICK)
    assert done.exit_code == 130
    (run,) = Path("artifacts/runs").iterdir()
    assert f"  train-character-model {small_jsonl} --device cpu --output-dir {run} --resume" in done.stderr
    assert call(small_jsonl, "--resume").exit_code == 0


# --- --validate-only --------------------------------------------------------------------------------------------------


def test_validation_of_a_sound_file(small_jsonl: Path) -> None:
    done = call(small_jsonl, "--validate-only")
    assert done.exit_code == 0
    assert "240 examples, 8 cells, 0 duplicates" in done.stdout
    assert "tensor" in done.stdout
    assert not Path("artifacts").exists()


def test_validation_lists_all_problems(
    tmp_path: Path, records: Callable[..., list[dict[str, Any]]], write: Callable[..., Path]
) -> None:
    made = records(60)
    for record in made[:30]:
        record["features"][3] = None
        record["labels"][0] = "x"
    made[40]["cell"] = None
    path = write(tmp_path / "a.jsonl", made)
    done = call(path, "--validate-only")
    assert done.exit_code == 1
    assert done.stdout.count(f"{path}: line ") == 20
    assert "... and 41 more" in done.stdout
    assert "61 problems in 31 lines" in done.stdout
    assert "29 examples" in done.stdout

    found = json.loads(call(path, "--validate-only", "--json").stdout)
    assert (found["problems"], found["problems_by_kind"]) == (61, {"wrong type": 61})
    assert found["classes"]["action.type"].keys() >= {"Perform", "Resist"}
    assert sum(found["classes"]["action.type"].values()) == found["examples"] == 29
    assert found["filled_slots"]["history"] == [0.0, 3]
    assert found["filled_slots"]["tensor"] == [12.0, 16]
    assert 0 < found["rates"]["speech.occurs"] < 1
    assert found["numbers"]["action.target_index"] == [-1.0, -1.0, -1.0]


def test_validation_of_a_file_without_a_sound_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\nnull\n")
    done = call(tmp_path / "a.jsonl", "--validate-only")
    assert done.exit_code == 1
    assert "features: missing key" in done.stdout
    assert "0 examples, 0 cells, 0 duplicates" in done.stdout


def test_rows_under_another_cell_are_told_before_training(tmp_path: Path, small_jsonl: Path) -> None:
    records = [json.loads(line) for line in small_jsonl.read_text().splitlines()]
    copies = [record | {"cell": record["cell"] | {"archetype_b": "another"}} for record in records]
    made = tmp_path / "made.jsonl"
    made.write_text("".join(json.dumps(record) + "\n" for record in [*records, *copies]))
    done = call(made, *QUICK)
    assert done.exit_code == 0
    told = done.stderr
    assert (
        f"{made}: 240 examples have the features and labels of an earlier one, 240 of them under another cell" in told
    )
    found = re.search(r"(\d+) of (\d+) held-out examples \((.*)%\) have the features of a training", told)
    assert found
    # The same, from what is held out by the file of --write-split, compared as JSON.
    call(made, "--write-split", tmp_path / "split.json")
    split = json.loads((tmp_path / "split.json").read_text())
    rows = [json.dumps(json.loads(line)["features"]) for line in made.read_text().splitlines()]
    trained = {rows[position] for position in split["train"]}
    shared = sum(rows[position] in trained for position in split["validation"])
    assert (int(found[1]), int(found[2])) == (shared, len(split["validation"]))
    assert float(found[3]) == round(100 * shared / len(split["validation"]), 1)
    assert told.index(found[0]) < told.index("epoch 1/2")
    facts = json.loads(Path("artifacts/character/run.json").read_text())["data"]
    assert (facts["shared_examples"], facts["validation_examples"]) == (int(found[1]), int(found[2]))
    assert int(found[1]) > 0
    checked = call(made, "--validate-only")
    assert "240 duplicates (240 under another cell)" in checked.stdout


def test_so_are_the_same_inputs_with_other_labels(tmp_path: Path, small_jsonl: Path) -> None:
    records = [json.loads(line) for line in small_jsonl.read_text().splitlines()]
    copies = []
    for record, after in zip(records, [*records[1:], records[0]], strict=True):
        cell = record["cell"] | {"archetype_b": "another"}
        copies.append({"id": record["id"], "cell": cell, "features": record["features"], "labels": after["labels"]})
    made = tmp_path / "made.jsonl"
    made.write_text("".join(json.dumps(record) + "\n" for record in [*records, *copies]))
    told = call(made, *QUICK).stderr
    assert "features and labels of an earlier one" not in told
    assert re.search(r"[1-9]\d* of \d+ held-out examples .* have the features of a training example", told)


# --- the label rules --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample data, whose labels follow the rules."""
    path = tmp_path_factory.mktemp("followed") / "sample.jsonl"
    write_dataset(make_plan(load_descriptors(), SampleConfig(examples=600, cells=60)), path)
    return path


def test_the_descriptors_that_are_shipped_tell_the_axes(followed: Path) -> None:
    done = call(followed, *QUICK)
    assert done.exit_code == 0, done.output
    assert "\nlabels follow the engine's rules\n" in done.stderr
    assert "on expected labels" in done.stderr
    assert json.loads(Path("artifacts/character/run.json").read_text())["recipe"]["expected_labels"] is True


def test_validation_says_whether_labels_follow(followed: Path, small_jsonl: Path) -> None:
    done = call(followed, "--validate-only")
    assert done.exit_code == 0
    assert "labels follow the engine's rules" in done.stderr
    assert "the engine's label rules, by 600 examples" in done.stdout
    found = json.loads(call(followed, "--validate-only", "--json").stdout)
    assert found["rules"]["rules"]["dominant emotion"]["verdict"] == "follow"
    other = json.loads(call(small_jsonl, "--validate-only", "--json").stdout)
    assert other["rules"]["rules"]["dominant emotion"]["verdict"] == "differ"
    assert "highest intensity" in other["rules"]["rules"]["dominant emotion"]["evidence"]


def test_descriptors_that_are_faulty_are_left_out_or_refused(
    followed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "training-data" / "descriptors"
    folder.mkdir(parents=True)
    done = call(followed, *QUICK, "--descriptors", folder)
    assert done.exit_code == 1
    assert "axis-vocabulary.json" in done.stderr + str(done.exception)
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(tmp_path))
    done = call(followed, *QUICK)
    assert done.exit_code == 0, done.output
    assert "Descriptors are not used: " in done.stderr
    assert "cannot be told: action type, valence, speech occurs, awareness" in done.stderr
    assert "Expected labels are off" in done.stderr
