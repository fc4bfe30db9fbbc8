"""`train-event-classifier`: what it prints, where it leaves things, and its exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from storyteller_trainer.commands.list_runs import main as list_runs
from storyteller_trainer.commands.train_event_classifier import main
from storyteller_trainer.events.training import run
from storyteller_trainer.events.training.recipe import Recipe
from storyteller_trainer.runs.loop import Interrupted
from storyteller_trainer.runs.recipe_values import values


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def fast(encoder: str) -> tuple[str, ...]:
    return ("--encoder", encoder, "--epochs", "1", "--batch-size", "16", "--lr", "0.003", "--device", "cpu")


def test_help_ends_in_an_example() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert "train-event-classifier artifacts/data/events.jsonl --task event" in result.output


def test_every_value_of_the_recipe_has_an_option() -> None:
    flags = {parameter.name: parameter.opts for parameter in main.params}
    assert {name: [about.flag] for name, about in values(Recipe).items()}.items() <= flags.items()
    assert set(values(Recipe)) == set(Recipe.__slots__)


def test_both_models_are_trained_by_default(data_file: Path, tiny_bert: str) -> None:
    result = invoke(data_file, *fast(tiny_bert))
    assert result.exit_code == 0
    for task in ("event", "ner"):
        assert (Path("artifacts/events") / task / "best.safetensors").is_file()
    assert f"Data: {data_file} (96 examples)\n" in result.stderr
    assert result.stderr.count("Computing by 1 thread: 64.0 of 64 CPUs are free (--threads N fixes the number)\n") == 2
    assert "held out: unseen skeletons" in result.stdout
    (folder,) = Path("artifacts/runs").glob("*-events")
    assert f"best checkpoint: {folder}/ner/best.safetensors" in result.stdout


def test_a_second_training_leaves_the_first_alone_and_both_are_listed(data_file: Path, tiny_bert: str) -> None:
    assert invoke(data_file, *fast(tiny_bert), "--name", "first").exit_code == 0
    assert invoke(data_file, *fast(tiny_bert), "--task", "ner", "--name", "second").exit_code == 0
    first, second = (next(Path("artifacts/runs").glob(f"*-{name}")) for name in ("first", "second"))
    assert Path("artifacts/events/event").resolve() == (first / "event").resolve()
    assert Path("artifacts/events/ner").resolve() == (second / "ner").resolve()
    listed = json.loads(CliRunner().invoke(list_runs, ["--json"]).stdout)
    assert [(row["run"], row["model"], row["latest"], row["state"]) for row in listed] == [
        (str(first / "event"), "event", True, "finished"),
        (str(first / "ner"), "ner", False, "finished"),
        (str(second / "ner"), "ner", True, "finished"),
    ]


def test_resuming_goes_on_with_the_latest_runs_and_begins_what_is_missing(data_file: Path, tiny_bert: str) -> None:
    """As after Ctrl-C in the second of two trainings, before the entity classifier was begun."""
    assert invoke(data_file, *fast(tiny_bert), "--name", "old").exit_code == 0
    assert invoke(data_file, *fast(tiny_bert), "--name", "new", "--task", "event").exit_code == 0
    result = invoke(data_file, *fast(tiny_bert), "--resume")
    assert result.exit_code == 0, result.output
    (folder,) = Path("artifacts/runs").glob("*-new")
    assert f"Going on with {folder}/event after epoch 1" in result.stderr
    assert f"{folder}/ner holds no run to go on with: beginning one" in result.stderr
    assert Path("artifacts/events/ner").resolve() == (folder / "ner").resolve()


def test_runs_of_earlier_versions_are_gone_on_with_where_they_lie(data_file: Path, tiny_bert: str) -> None:
    assert invoke(data_file, *fast(tiny_bert), "-o", "artifacts/events").exit_code == 0
    result = invoke(data_file, *fast(tiny_bert), "--resume")
    assert "Going on with artifacts/events/event after epoch 1" in result.stderr
    assert not Path("artifacts/runs").exists()


def test_before_anything_was_trained_resuming_begins_a_run(data_file: Path, tiny_bert: str) -> None:
    assert invoke(data_file, *fast(tiny_bert), "--resume", "--task", "event").exit_code == 0
    (folder,) = Path("artifacts/runs").iterdir()
    assert Path("artifacts/events/event").resolve() == (folder / "event").resolve()


def test_the_result_is_json_when_asked_for(data_file: Path, tiny_bert: str, tmp_path: Path) -> None:
    result = invoke(
        data_file, "--task", "joint", *fast(tiny_bert), "--output-dir", tmp_path, "--json", "--split", "skeleton"
    )
    found = json.loads(result.stdout)
    assert list(found) == ["joint"]
    assert found["joint"].items() <= json.loads((tmp_path / "joint" / "run.json").read_bytes()).items()
    assert found["joint"]["recipe"]["split"] == "skeleton"
    assert found["joint"]["scores"]["random"]["entities"]["classes"]["CHARACTER"]["support"] > 0


def test_the_users_own_data_is_taken_when_none_is_named(
    data_file: Path, tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine" / "training-data"
    folder.mkdir(parents=True)
    (folder / "event_classification.jsonl").write_bytes(data_file.read_bytes())
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(tmp_path / "mine"))
    result = invoke("--task", "event", *fast(tiny_bert), "--json")
    assert json.loads(result.stdout)["event"]["data"]["file"] == str(folder / "event_classification.jsonl")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--encoder", "./nowhere"), "'--encoder': --encoder ./nowhere: neither one of minilm"),
        (("--epochs", "0"), "'--epochs': epochs is 0; it must be at least 1"),
        (("--precision", "fp16", "--device", "cpu"), "--precision fp16 needs a CUDA device, and this is cpu"),
        (("--ner-weight", "2"), "--task all has one loss a model: --ner-weight says nothing about it"),
        (("--validate-only", "--lr", "0.1"), "--validate-only trains nothing: --lr says nothing about it"),
        (("--device", "tpu"), "'tpu' is no device"),
        (("--task", "chess"), "'chess' is not one of"),
        (("--name", "a/b"), "'a/b' cannot name a run"),
        (("--name", "a", "-o", "b"), "--output-dir names the folder: --name says nothing about it"),
        (("--validate-only", "--name", "a"), "--validate-only trains nothing: --name says nothing about it"),
        (("--precision", "int4"), "'int4' is not one of"),
    ],
)
def test_wrong_use_ends_with_2_and_names_the_option(data_file: Path, arguments: tuple[str, ...], told: str) -> None:
    result = invoke(data_file, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""


def test_the_number_of_threads_is_kept_by_a_resumed_run_and_can_be_fixed(data_file: Path, tiny_bert: str) -> None:
    def threads() -> int:
        found = json.loads(Path("artifacts/events/event/run.json").read_text())["threads"]
        assert isinstance(found, int)
        return found

    arguments: tuple[str | Path, ...] = (data_file, "--task", "event", *fast(tiny_bert))
    result = invoke(*arguments, "--threads", "3")
    assert "Computing by 3 threads, as --threads or OMP_NUM_THREADS says" in result.stderr
    assert threads() == 3
    result = invoke(*arguments, "--resume")
    assert "Computing by 3 threads, as the run had so far, for the same result to the bit" in result.stderr
    assert threads() == 3
    result = CliRunner().invoke(main, [*map(str, arguments), "--resume"], env={"OMP_NUM_THREADS": "2"})
    assert "so far the run had 3: the result will not be the same" in result.stderr
    assert threads() == 2


def test_a_device_that_this_machine_lacks_ends_with_1(data_file: Path) -> None:
    result = invoke(data_file, "--device", "cuda:99")
    assert result.exit_code == 1
    assert "device 'cuda:99' is not available" in result.stderr


def test_ctrl_c_ends_with_130(data_file: Path, tiny_bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise Interrupted(2)

    monkeypatch.setattr(run, "train_classifier", stopped)
    result = invoke(data_file, *fast(tiny_bert))
    assert result.exit_code == 130
    assert "event: stopped by Ctrl-C during epoch 3: 2 epochs are saved in artifacts/runs/" in result.stderr
    # The folder is named: the latest run may be another one until the first epoch is done.
    assert re.search(r"--output-dir artifacts/runs/\d{8}-\d{6}-events --resume", result.stderr)


def test_validation_tells_the_shape_of_sound_data(data_file: Path) -> None:
    result = invoke(data_file, "--validate-only")
    assert result.exit_code == 0
    assert "96 examples" in result.stdout
    found = json.loads(invoke(data_file, "--validate-only", "--json").stdout)
    assert found["problems"] == 0
    assert found["examples"] == 96
    assert set(found["primary_kinds"].values()) == {12}
    assert sum(found["categories"].values()) == sum(found["roles"].values()) == found["entities"]
    assert found["registers"] == {"player": 48, "narrator": 48}


def test_validation_lists_every_problem(write_lines: Callable[..., Path], record: dict[str, Any]) -> None:
    bad = [record | {"text": ""} for _ in range(21)]
    path = write_lines(record, record, *bad, record | {"register": "chorus"})
    result = invoke(path, "--validate-only")
    assert result.exit_code == 1
    assert f"{path}: line 3: text: empty: ''; a sentence is expected" in result.stdout
    assert "... and 2 more" in result.stdout
    found = json.loads(invoke(path, "--validate-only", "--json").stdout)
    assert found["problems_by_kind"] == {"empty": 21, "unknown value": 1}
    assert (found["examples"], found["repeated_ids"], found["repeated_texts"]) == (2, 1, 1)
