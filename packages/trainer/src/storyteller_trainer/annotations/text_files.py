"""Reading text files as they are: line ends too, which offsets count."""

from __future__ import annotations

from pathlib import Path

from storyteller_schema.common.errors import StorytellerError


def read_text(path: Path) -> str:
    """A UTF-8 file, line ends as they stand; a byte order mark is no character of the text.

    Raises:
        StorytellerError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StorytellerError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StorytellerError(f"{path}: not UTF-8 at byte {error.start}; convert the file first") from error
