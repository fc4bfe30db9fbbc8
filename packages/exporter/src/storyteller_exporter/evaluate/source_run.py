"""The run that an exported file comes from, found again by what the file says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata
from storyteller_trainer.runs.run_files import BEST, CHARACTER_RUN, EVENT_RUNS
from storyteller_trainer.runs.run_place import RUNS
from storyteller_trainer.runs.tensor_file import read_metadata

from storyteller_exporter.character.file_metadata import source_notes

M = TypeVar("M", bound=msgspec.Struct)


def run_of_character_file(metadata: Mapping[str, str]) -> Path | None:
    """The run in artifacts/runs, or artifacts/character, whose best checkpoint a file with these notes was made of."""
    return run_with(metadata, (CHARACTER_RUN, *sorted(RUNS.glob("*"), reverse=True)), CheckpointMetadata, source_notes)


def places_of_event_runs() -> list[Path]:
    """Where the run of an event file is looked for: behind the links first, then the youngest."""
    return [*sorted(EVENT_RUNS.glob("*")), *sorted(RUNS.glob("*/*"), reverse=True)]


def run_with(
    metadata: Mapping[str, str], places: Iterable[Path], kind: type[M], notes_of: Callable[[M], dict[str, str]]
) -> Path | None:
    """The first of some folders whose best checkpoint gives the notes that a file has; None where none does."""
    for place in places:
        if not (place / BEST).is_file():
            continue
        try:
            expected = notes_of(read_metadata(place / BEST, kind))
        except StorytellerError:  # damaged, or another kind of model's
            continue
        if all(metadata.get(key) == value for key, value in expected.items()):
            return place
    return None
