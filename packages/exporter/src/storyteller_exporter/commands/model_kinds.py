"""Which kind of model a place holds, told from the names of its files. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.options import judging
from storyteller_schema.contract.onnx import CHARACTER, EVENT, JOINT, NER
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, EVENT_MAKER, check_file
from storyteller_trainer.runs.run_files import BEST

#: In the folder of an event run, and of no other.
EVENT_MARK = "config.json"


def holds_event_runs(place: Path) -> bool:
    """Whether a folder is, or holds, runs of the event models."""
    return any((run / EVENT_MARK).is_file() for run in (place, *(place / task for task in ("event", "ner", "joint"))))


def holds_events(place: Path) -> bool:
    """Whether it is that, or a folder of exported event models."""
    exported = (EVENT.file_name, NER.file_name, JOINT.file_name)
    return holds_event_runs(place) or any((place / name).is_file() for name in exported)


def require_model(place: Path, name: str) -> None:
    """
    Args:
        name: of the argument, as the code calls it.

    Raises:
        WrongValue: there is no run, checkpoint or ONNX file of either kind.
    """
    if not place.exists():
        raise WrongValue(f"{place}: no such model; name a run, a checkpoint or an ONNX file", name)
    of_characters = any((place / file).is_file() for file in (BEST, CHARACTER.file_name))
    if place.is_dir() and not of_characters and not holds_events(place):
        raise WrongValue(f"{place}: holds neither {BEST} nor {CHARACTER.file_name}; name a model", name)


def require_one_kind(places: Sequence[Path]) -> bool:
    """Whether some models are all of the event kind.

    Raises:
        StorytellerError: they are of both kinds.
    """
    kinds = {holds_events(place) for place in places}
    if len(kinds) > 1:
        named = " and ".join(map(str, places))
        raise StorytellerError(f"{named} are models of different kinds; name two of the same")
    return kinds.pop()


def check_data(data: Path | None, *, events: bool) -> None:
    """
    Raises:
        WrongValue: there is no such data.
    """
    if data is None:
        return
    with judging("data"):
        for file in [data] if events else find_shards([data]):
            check_file(file, EVENT_MAKER if events else CHARACTER_MAKER)
