"""Without the extra `events`, every command that needs it says the same, at once; all others work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from light_process import Called, LightProcess
from storyteller_trainer.optional_dependencies import LIBRARIES, WEIGHTS

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
#: Has a module not be found, or fail when it is looked for: by name and `hide` or `raise`.
WITHOUT = """
import sys
library, how = {library!r}, {how!r}
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name != library:
            return self.finder.find_spec(name, path, target)
        if how == "raise":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""
Call = Callable[..., Called]


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name in ("events.jsonl", "runs/event/best.safetensors", "runs/ner/best.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")


@pytest.fixture
def call(light_process: LightProcess) -> Call:
    """Runs a command in a process in which a module is missing."""

    def call(library: str, how: str, command: str, *arguments: str) -> Called:
        return light_process.call(command, *arguments, before=WITHOUT.format(library=library, how=how))

    return call


def message(library: str) -> str:
    return (
        f"Error: event models need {library}, which is not installed; run `make setup`, or install the extra `events`: "
        "storyteller-trainer[events] to train, storyteller-exporter[events] to export and evaluate\n"
    )


@pytest.mark.parametrize("how", ["hide", "raise"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("command", "arguments"), NEED_IT.items())
def test_a_missing_library_is_told_before_anything_heavy_is_imported(
    call: Call, command: str, arguments: tuple[str, ...], library: str, how: str
) -> None:
    done = call(library, how, command, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message(library))
    assert "torch" not in done.modules


def test_the_weights_of_minilm_are_part_of_it(call: Call) -> None:
    done = call(WEIGHTS, "hide", "train-event-classifier", "events.jsonl", "--encoder", "minilm")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message(WEIGHTS))


@pytest.mark.slow
def test_another_module_that_is_missing_is_a_defect_of_ours(call: Call) -> None:
    done = call("storyteller_trainer.events.model", "hide", "train-event-classifier", "events.jsonl")
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("command", "arguments"), DO_NOT.items())
def test_the_rest_works_without(call: Call, command: str, arguments: tuple[str, ...], library: str) -> None:
    done = call(library, "hide", command, *arguments)
    assert "not installed" not in done.stderr
    assert done.returncode == (1 if "--validate-only" in arguments else 0), done.stderr
