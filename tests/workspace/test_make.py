"""What the Make targets hand to the commands, seen by commands that only print their arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from workspace import ROOT, console_commands

TRAINED = (
    "artifacts/character/best.safetensors",
    "artifacts/events/event/best.safetensors",
    "artifacts/events/ner/best.safetensors",
)


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """In place of `.venv/bin`: every command prints its name and arguments as JSON."""
    folder = tmp_path / "bin"
    folder.mkdir()
    # Through a shell: a "#!" line takes no interpreter whose path holds a blank.
    code = "import json, pathlib, sys; print(json.dumps([pathlib.Path(sys.argv[1]).name, *sys.argv[2:]]))"
    program = f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$0" "$@"\n'
    for command in console_commands():
        (folder / command).write_text(program, encoding="utf-8")
        (folder / command).chmod(0o755)
    return folder


def run_make(bin_folder: Path, *make: str, trained: tuple[str, ...] = TRAINED) -> subprocess.CompletedProcess[str]:
    """A target. Nothing is installed on the way, and nothing trained that is named here."""
    skipped = [name for target in ("setup", *trained) for name in ("-o", target)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--silent", *skipped, *make, f"BIN={bin_folder}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def arguments(bin_folder: Path, *make: str, trained: tuple[str, ...] = TRAINED) -> list[str]:
    """The command line that a target runs; where it had to run another one before, that is an error."""
    done = run_make(bin_folder, *make, trained=trained)
    (shown,) = (json.loads(line) for line in done.stdout.splitlines())
    assert isinstance(shown, list)
    return shown


AWKWARD = """it's "my" data/$HOME (1).jsonl"""


@pytest.mark.parametrize("name", ["plain.jsonl", "my data/größe 1.jsonl", AWKWARD, "a[/b].jsonl"])
@pytest.mark.parametrize("target", ["train", "train-events"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_file_is_one_argument_whatever_its_name(
    bin_folder: Path, tmp_path: Path, target: str, name: str, exists: bool
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if exists:
        path.touch()
    # Make itself reads a dollar sign, so it is doubled as in any value on make's command line.
    shown = arguments(bin_folder, target, f"DATA={path}".replace("$", "$$"))
    assert shown[1] == str(path)


def test_several_files_and_patterns_are_several_arguments(bin_folder: Path, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    shown = arguments(bin_folder, "train", f"DATA={tmp_path}/a.jsonl {tmp_path}/b.jsonl")
    assert shown[1:3] == [f"{tmp_path}/a.jsonl", f"{tmp_path}/b.jsonl"]


def test_without_data_there_is_no_argument_for_it(bin_folder: Path) -> None:
    shown = arguments(bin_folder, "train", "ARGS=--name 'two words' --seed 7", "NPROC=2")
    assert shown[0] == "train-character-model"
    assert shown[1].startswith("--")
    assert shown[-5:] == ["2", "--name", "two words", "--seed", "7"]


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("export", "export-character-model"),
        ("verify", "verify-onnx"),
        ("export-events", "export-event-classifier"),
        ("verify-events", "verify-onnx"),
    ],
)
def test_out_is_a_folder_whose_name_may_hold_blanks(
    bin_folder: Path, tmp_path: Path, target: str, command: str
) -> None:
    shown = arguments(bin_folder, target, f"OUT={tmp_path}/my out", "ARGS=--int8")
    assert shown[0] == command
    assert shown[-3:] == ["--models", f"{tmp_path}/my out", "--int8"]


@pytest.mark.parametrize(
    ("target", "option"),
    [
        ("export", ""),
        ("verify", "--checkpoint"),
        ("evaluate-character", ""),
        ("report", ""),
        ("promote", ""),
        ("export-events", ""),
        ("verify-events", "--checkpoint"),
        ("evaluate", "--held-out"),
    ],
)
def test_run_names_another_run_which_is_not_trained_for_it(
    bin_folder: Path, tmp_path: Path, target: str, option: str
) -> None:
    run = f"{tmp_path}/my run"
    shown = arguments(bin_folder, target, f"RUN={run}", trained=())
    place = shown.index(run)
    assert shown[place - 1] == option if option else place == 1
    default = arguments(bin_folder, target)
    usual = "artifacts/events" if "events" in target or target == "evaluate" else "artifacts/character"
    assert [usual if word == run else word for word in shown] == default


def test_a_name_ends_the_folder_of_either_kind_of_run(bin_folder: Path) -> None:
    for target in ("train", "train-events"):
        shown = arguments(bin_folder, target, "NAME=wide one")
        assert shown[shown.index("--name") + 1] == "wide one"


@pytest.mark.parametrize(
    ("make", "run"),
    [
        (("train",), "artifacts/character"),
        (("train-events",), "artifacts/events"),
        (("train-events", "ARGS=--task joint"), "artifacts/events/joint"),
        (("train", "REPORT=no"), None),
        (("train-events", "ARGS=--validate-only"), None),
        (("train", "ARGS=--output-dir=mine"), None),
    ],
)
def test_a_training_ends_with_a_page_about_its_run(bin_folder: Path, make: tuple[str, ...], run: str | None) -> None:
    done = run_make(bin_folder, *make)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    assert lines == ([] if run is None else [["write-report", run, "--if-installed"]])


def test_evaluate_takes_the_folder_in_out(bin_folder: Path, tmp_path: Path) -> None:
    assert f"{tmp_path}/my out/event_classifier" in arguments(bin_folder, "evaluate", f"OUT={tmp_path}/my out")


@pytest.mark.parametrize("target", ["verify", "verify-events", "evaluate", "evaluate-character"])
def test_data_of_the_checks_may_hold_blanks(bin_folder: Path, tmp_path: Path, target: str) -> None:
    assert f"{tmp_path}/my data.jsonl" in arguments(bin_folder, target, f"DATA={tmp_path}/my data.jsonl")


def test_the_engines_folder_may_hold_blanks(bin_folder: Path, tmp_path: Path) -> None:
    shown = arguments(bin_folder, "schema-check", f"RUST_REPO={tmp_path}/the engine", "SCHEMA_JSON=a b.json")
    assert shown == ["storyteller-schema", "check", "a b.json", "--rust-repo", f"{tmp_path}/the engine"]


def test_hints_are_lines_for_make(bin_folder: Path, tmp_path: Path) -> None:
    (bin_folder / "train-character-model").write_text('#!/bin/sh\necho "[\\"$STORYTELLER_MAKE\\"]"\n', encoding="utf-8")
    (shown,) = arguments(bin_folder, "train")
    assert Path(shown).name == "make"


def make_in_a_copy(tmp_path: Path, target: str) -> Path:
    """A folder with the Makefile and things that the targets made, after a target has run there."""
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for path in (
        "artifacts/character/best.safetensors",
        "artifacts/cache/a/x.npy",
        ".venv/bin/python",
        ".ruff_cache/x",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for folder in ("packages/__pycache__", "tests", "scripts"):
        (tmp_path / folder).mkdir(parents=True)
    subprocess.run(["make", "--silent", target], cwd=tmp_path, check=True)
    return tmp_path


def test_clean_keeps_what_was_trained(tmp_path: Path) -> None:
    left = make_in_a_copy(tmp_path, "clean")
    assert (left / "artifacts/character/best.safetensors").exists()
    assert (left / ".venv/bin/python").exists()
    assert not (left / "artifacts/cache").exists()
    assert not (left / ".ruff_cache").exists()
    assert not (left / "packages/__pycache__").exists()


def test_distclean_removes_all_that_the_targets_made(tmp_path: Path) -> None:
    left = make_in_a_copy(tmp_path, "distclean")
    assert sorted(path.name for path in left.iterdir()) == ["Makefile", "packages", "scripts", "tests"]


def test_without_uv_and_without_pip_setup_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    python = tmp_path / "python-without-pip"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", "UV=.uv/bin/uv", f"PYTHON={python}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "has no pip to install uv with: install uv" in done.stderr
