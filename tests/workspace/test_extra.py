"""Without the extra `events`, every command that needs it says the same, at once; all others work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from storyteller_trainer.optional_dependencies import LIBRARIES, WEIGHTS
from workspace import BIN

NEED_IT = {
    "train-event-classifier": ("events.jsonl",),
    "export-event-classifier": ("runs",),
    "evaluate-classifier": ("runs", "events.jsonl"),
}
DO_NOT = {
    "generate-event-data": ("--per-kind", "2", "-o", "made.jsonl"),
    "train-event-classifier": ("events.jsonl", "--validate-only"),
    "train-character-model": ("--help",),
    "verify-onnx": ("--help",),
}
#: Runs a command in a process in which a module cannot be found, or fails when it is looked for; tells on stderr when
#: PyTorch was imported.
WITHOUT = """
import runpy, sys
_, library, how, *sys.argv = sys.argv
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name != library:
            return self.finder.find_spec(name, path, target)
        if how == "raise":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    if "torch" in sys.modules:
        print("torch was imported", file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name in ("events.jsonl", "runs/event/best.safetensors", "runs/ner/best.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")


def call(library: str, how: str, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", WITHOUT, library, how, str(BIN / command), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def message(library: str) -> str:
    return (
        f"Error: event models need {library}, which is not installed; run `make setup`, or install the extra `events`: "
        "storyteller-trainer[events] to train, storyteller-exporter[events] to export and evaluate\n"
    )


@pytest.mark.parametrize("how", ["hide", "raise"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("command", "arguments"), NEED_IT.items())
def test_a_missing_library_is_told_before_anything_heavy_is_imported(
    command: str, arguments: tuple[str, ...], library: str, how: str
) -> None:
    done = call(library, how, command, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message(library))


def test_the_weights_of_minilm_are_part_of_it() -> None:
    done = call(WEIGHTS, "hide", "train-event-classifier", "events.jsonl", "--encoder", "minilm")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message(WEIGHTS))


@pytest.mark.slow
def test_another_module_that_is_missing_is_a_defect_of_ours() -> None:
    done = call("storyteller_trainer.events.model", "hide", "train-event-classifier", "events.jsonl")
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("command", "arguments"), DO_NOT.items())
def test_the_rest_works_without(command: str, arguments: tuple[str, ...], library: str) -> None:
    done = call(library, "hide", command, *arguments)
    assert "not installed" not in done.stderr
    assert done.returncode == (1 if "--validate-only" in arguments else 0), done.stderr
