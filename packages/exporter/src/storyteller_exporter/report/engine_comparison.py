"""The part of a character run's page on the file that the engine has: which of both is better."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.model.checkpoint import Checkpoint

from storyteller_exporter.character.file_metadata import source_notes
from storyteller_exporter.evaluate.character_model import of_checkpoint, open_model
from storyteller_exporter.report.character_comparison import compare_models
from storyteller_exporter.report.character_figures import Scored
from storyteller_exporter.report.comparison import Comparison


def is_file_of(source: Checkpoint, metadata: Mapping[str, str]) -> bool:
    """Whether a file with these notes was made of a checkpoint."""
    return all(metadata.get(key) == value for key, value in source_notes(source.metadata).items())


def against_engine(source: Checkpoint, scored: Scored | None, file: Path) -> tuple[Comparison | None, str]:
    """The comparison with the file that the engine loads, or why there is none."""
    if not file.is_file():
        return None, f"There is no {file} to compare with."
    if scored is None:
        return None, "Not compared: there are no examples to compare on."
    try:
        engine = open_model(file)
        if is_file_of(source, engine.metadata):
            return None, f"{file} is this very run."
        return compare_models(engine, of_checkpoint(source), scored.divided.data), ""
    except StorytellerError as error:
        return None, f"Not compared: {error}"
