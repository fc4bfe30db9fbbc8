"""The names of the files in a run folder, and whether there is a trained model in one. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.hints import hint
from storyteller_schema.common.settings import ARTIFACTS

#: Where runs go, and are looked for, that no option sends elsewhere.
CHARACTER_RUN = ARTIFACTS / "character"
EVENT_RUNS = ARTIFACTS / "events"

#: The weights of the best epoch.
BEST = "best.safetensors"
#: The weights of the last epoch, and all that is needed to go on.
LAST = "last.safetensors"
#: One line an epoch.
HISTORY = "history.jsonl"
#: What came out of the run.
SUMMARY = "run.json"


def best_of(place: Path) -> Path:
    """The checkpoint file that a run folder, or a checkpoint file itself, stands for."""
    return place / BEST if place.is_dir() else place


def require_checkpoint(file: Path) -> None:
    """
    Raises:
        StorytellerError: there is no such checkpoint of a character model.
    """
    if not file.is_file():
        training = hint("train-character-model")
        raise StorytellerError(f"{file}: no such checkpoint file; train first (`{training}`), or name another")


def require_event_run(runs: Path, task: str) -> None:
    """
    Raises:
        StorytellerError: the folder holds no trained model of the task.
    """
    if (runs / BEST).is_file():
        raise StorytellerError(f"{runs}: is one run; name the folder that holds it as {task}/: {runs.parent}")
    if not (runs / task / BEST).is_file():
        where = () if runs == EVENT_RUNS else ("--output-dir", runs)
        training = hint("train-event-classifier", "--task", task, *where)
        raise StorytellerError(f"{runs / task / BEST}: there is no trained model; `{training}` makes one")
