"""Wrong use is told at once: exit code 2, the option and its value named, and nothing heavy imported for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from light_process import LightProcess
from workspace import click_commands, console_commands

#: Each takes a second or more to import.
HEAVY = {"torch", "transformers", "tokenizers", "onnx", "onnxruntime", "onnxscript", "sklearn"}

#: Command, arguments, what is blamed, and what is said about it. See `files` for what is there.
WRONG = [
    ("generate-training-data", ("--cells", "0"), "--cells", "cells is 0"),
    ("generate-training-data", ("--seed", "-1"), "--seed", "seed is -1"),
    ("generate-training-data", ("--min-coherence", "2"), "--min-coherence", "2.0"),
    ("generate-training-data", ("--examples", "5", "--variations", "2"), "--variations", "give one of them, not both"),
    ("generate-training-data", ("--genre", "opera"), "--genre", '"opera"'),
    ("generate-training-data", ("--descriptors", "nowhere"), "--descriptors", "nowhere"),
    ("generate-training-data", ("-o", "data.txt"), "--output", "data.txt"),
    ("generate-training-data", ("-o", "folder"), "--output", "folder"),
    ("generate-event-data", ("--per-kind", "0"), "--per-kind", "0"),
    ("generate-event-data", ("--prose", "p.jsonl", "--seed", "1"), "--seed", "--prose writes a fixed set"),
    ("generate-event-data", ("-o", "folder"), "--output", "folder"),
    ("annotate-text", ("nowhere.txt",), "TEXTS", "nowhere.txt: no such file"),
    ("annotate-text", ("data.jsonl", "--models", "nowhere"), "--models", "event_classifier: no such folder"),
    ("annotate-text", ("data.jsonl", "--random-share", "2"), "--random-share", "2"),
    ("import-annotations", ("nowhere.jsonl",), "PATHS", "nowhere.jsonl: no such file or folder"),
    ("import-annotations", ("folder", "--weight", "0"), "--weight", "0"),
    ("import-annotations", ("data.jsonl", "--map", "nowhere.toml"), "--map", "nowhere.toml"),
    ("train-character-model", ("data.jsonl", "--lr", "-1"), "--lr", "learning_rate is -1.0"),
    ("train-character-model", ("data.jsonl", "--lr", "nan"), "--lr", "learning_rate is nan"),
    ("train-character-model", ("data.jsonl", "--epochs", "0"), "--epochs", "epochs is 0"),
    ("train-character-model", ("data.jsonl", "--epochs", "0", "--resume"), "--epochs", "epochs is 0"),
    ("train-character-model", ("data.jsonl", "--device", "tpu"), "--device", "'tpu'"),
    ("train-character-model", ("data.jsonl", "--processes", "2", "--device", "mps"), "--processes", "mps"),
    ("train-character-model", ("data.jsonl", "--validate-only", "--seed", "3"), "--seed", "trains nothing"),
    ("train-character-model", ("data.jsonl", "--write-split", "s.json", "--epochs", "3"), "--epochs", "trains nothing"),
    ("train-character-model", ("data.jsonl", "--write-split", "s.json", "--resume"), "--resume", "trains nothing"),
    ("train-character-model", ("data.jsonl", "--write-split", "s.json", "--validate-only"), "--write-split", "nothing"),
    ("train-character-model", ("data.jsonl", "--write-split", "folder"), "--write-split", "folder"),
    ("train-character-model", ("data.jsonl", "--accumulate", "999"), "--accumulate", "accumulate is 999"),
    ("train-character-model", ("data.jsonl", "--memory-limit", "-1"), "--memory-limit", "-1"),
    ("train-character-model", ("data.jsonl", "-o", "data.jsonl"), "--output-dir", "data.jsonl"),
    ("train-character-model", ("nowhere.jsonl",), "DATA", "nowhere.jsonl: no such file"),
    ("train-character-model", ("folder",), "DATA", "folder: the folder holds no"),
    ("train-character-model", ("folder/*.jsonl",), "DATA", "no file matches this pattern"),
    ("train-character-model", ("empty.jsonl",), "DATA", "the file is empty"),
    ("train-event-classifier", ("data.jsonl", "--lr", "-1"), "--lr", "learning_rate is -1.0"),
    ("train-event-classifier", ("data.jsonl", "--epochs", "0"), "--epochs", "epochs is 0"),
    ("train-event-classifier", ("data.jsonl", "--device", "tpu"), "--device", "'tpu'"),
    ("train-event-classifier", ("data.jsonl", "--encoder", "./nowhere"), "--encoder", "./nowhere"),
    ("train-event-classifier", ("data.jsonl", "--precision", "fp16", "--device", "cpu"), "--precision", "cpu"),
    ("train-event-classifier", ("data.jsonl", "--ner-weight", "2"), "--ner-weight", "--task all"),
    ("train-event-classifier", ("data.jsonl", "--validate-only", "--resume"), "--resume", "trains nothing"),
    ("train-event-classifier", ("nowhere.jsonl",), "DATA", "nowhere.jsonl: no such file"),
    ("train-event-classifier", ("folder",), "DATA", "folder: is a folder"),
    ("export-character-model", (), "CHECKPOINT", "artifacts/character: no such checkpoint file"),
    ("export-character-model", ("folder",), "CHECKPOINT", "folder/best.safetensors: no such checkpoint file"),
    ("export-character-model", ("run", "-o", "folder"), "--output", "folder"),
    ("export-event-classifier", (), "RUNS", "artifacts/events/event/best.safetensors: there is no trained model"),
    ("export-event-classifier", ("folder", "--joint"), "RUNS", "folder/joint/best.safetensors"),
    ("export-event-classifier", ("run", "-o", "data.jsonl"), "--output", "data.jsonl"),
    ("verify-onnx", (), "PATH", "artifacts/models/character_predictor.onnx: no such file"),
    ("verify-onnx", ("--events",), "PATH", "artifacts/models/event_classifier: no such file"),
    ("verify-onnx", ("model.onnx", "--events"), "--events", "PATH model.onnx says where already"),
    ("verify-onnx", ("model.onnx", "--checkpoint", "nowhere"), "--checkpoint", "nowhere: no such run"),
    ("verify-onnx", ("model.onnx", "--data", "nowhere"), "--data", "nowhere: no such file"),
    ("verify-onnx", ("model.onnx", "-o", "nowhere/report.json"), "--output", "there is no folder nowhere"),
    ("evaluate-character-model", (), "MODEL", "artifacts/models/character_predictor.onnx: no such model"),
    ("evaluate-character-model", ("model.onnx",), "DATA", "nothing to evaluate on"),
    ("evaluate-character-model", ("run", "nowhere.jsonl"), "DATA", "nowhere.jsonl: no such file"),
    ("write-report", (), "RUN", "artifacts/character/best.safetensors: no such checkpoint"),
    ("write-report", ("run", "--data", "empty.jsonl"), "--data", "the file is empty"),
    ("list-runs", ("--jason",), "--jason", "No such option"),
    ("train-character-model", ("data.jsonl", "--name", "a/b"), "--name", "'a/b' cannot name a run"),
    ("train-character-model", ("data.jsonl", "--name", "a", "-o", "b"), "--name", "--output-dir names the folder"),
    ("train-character-model", ("data.jsonl", "--recipe", "nowhere"), "--recipe", "neither default nor reference"),
    ("train-character-model", ("data.jsonl", "--recipe", "data.jsonl"), "--recipe", "cannot be read as a recipe"),
    ("compare-models", ("model.onnx",), "SECOND", "Missing argument"),
    ("compare-models", ("model.onnx", "nowhere"), "SECOND", "nowhere: no such model"),
    ("compare-models", ("folder", "run"), "FIRST", "folder: holds neither"),
    ("promote-model", (), "CANDIDATE", "artifacts/character: no such model"),
    ("promote-model", ("run", "--margin", "-1"), "--margin", "-1"),
    ("promote-model", ("--rollback", "--margin", "1"), "--margin", "--rollback takes what was kept"),
    ("evaluate-classifier", (), "DATA", "nothing to evaluate on"),
    ("evaluate-classifier", ("--prose",), "MODEL_DIR", "artifacts/models/event_classifier: no such folder"),
    ("evaluate-classifier", ("folder", "nowhere.jsonl"), "DATA", "nowhere.jsonl: no such file"),
    (
        "evaluate-classifier",
        ("folder", "--held-out", "nowhere"),
        "--held-out",
        "there is no trained model",
    ),
    ("evaluate-classifier", ("folder", "--prose", "--threads", "0"), "--threads", "0"),
    ("storyteller-schema", ("check", "nowhere.json"), "FILE", "nowhere.json"),
    ("storyteller-schema", ("check", "--rust-repo", "nowhere"), "--rust-repo", "nowhere"),
    ("storyteller-schema", ("export", "-o", "folder"), "--output", "folder"),
    ("storyteller-schema", ("explain",), "explain", "No such command"),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for folder in ("folder", "run"):
        (tmp_path / folder).mkdir()
    for name in ("data.jsonl", "model.onnx", "run/best.safetensors"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "empty.jsonl").touch()
    return tmp_path


@pytest.mark.parametrize(("command", "arguments", "blamed", "said"), WRONG)
@pytest.mark.usefixtures("files")
def test_wrong_use_is_told_at_once(
    light_process: LightProcess, command: str, arguments: tuple[str, ...], blamed: str, said: str
) -> None:
    done = light_process.call(command, *arguments)
    told = done.stderr + done.stdout
    assert done.returncode == 2, told
    assert done.modules & HEAVY == set()
    message = told[told.index("Error: ") :]
    assert blamed in message
    assert said in message
    assert "Traceback" not in told


def test_every_command_stands_in_the_table() -> None:
    assert {command for command, *_ in WRONG} == set(console_commands())


@pytest.mark.parametrize("name", click_commands())
def test_help_imports_nothing_heavy(light_process: LightProcess, name: str) -> None:
    command, *inner = name.split()
    done = light_process.call(command, *inner, "--help")
    assert (done.returncode, done.modules & HEAVY) == (0, frozenset()), done.stderr


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("generate-training-data", "STORYTELLER_DATA_PATH"),
        ("train-character-model", "STORYTELLER_DATA_PATH"),
        ("train-event-classifier", "STORYTELLER_DATA_PATH"),
        ("export-character-model", "STORYTELLER_MODEL_PATH"),
        ("export-event-classifier", "STORYTELLER_MODEL_PATH"),
        ("verify-onnx", "STORYTELLER_MODEL_PATH"),
    ],
)
def test_a_variable_that_names_nothing_is_told_at_once(
    light_process: LightProcess, command: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "nowhere")
    done = light_process.call(command)
    assert (done.returncode, done.modules & HEAVY) == (2, frozenset())
    assert f"Error: {variable}=nowhere does not exist" in done.stderr


def test_the_measure_sees_what_is_imported_and_not_what_another_call_has(light_process: LightProcess) -> None:
    loaded = light_process.call("list-runs", "--help", before="import tokenizers").modules
    assert loaded & HEAVY == {"tokenizers"}
    assert light_process.call("list-runs", "--help").modules & HEAVY == set()
