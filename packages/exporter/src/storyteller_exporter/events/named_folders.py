"""Places that the user names. Imports nothing heavy, so that a wrong one is told at once."""

from __future__ import annotations

from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.hints import hint


def advice() -> str:
    """Where such a folder comes from."""
    return f"`{hint('export-event-classifier')}` writes it"


def require_folder_of(file: Path) -> None:
    """
    Raises:
        StorytellerError: the folder in which a report is to be written is not there.
    """
    if not file.parent.is_dir():
        raise StorytellerError(f"{file}: there is no folder {file.parent}; name another place with --output")


def require_models(folder: Path) -> None:
    """
    Raises:
        StorytellerError: there is no such folder.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "no such folder"
        raise StorytellerError(f"{folder}: {found}; expected the folder of the event models, {advice()}")
