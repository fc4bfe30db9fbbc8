"""Which files the user means by DATA. Imports nothing heavy, so that a file that is not there is told at once."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath

#: What is read of a folder.
PATTERNS = ("*.jsonl", "*.jsonl.gz")


def find_shards(places: Iterable[StrPath]) -> list[Path]:
    """The files that are meant: a file is itself, a folder its *.jsonl and *.jsonl.gz, a pattern what matches it.

    A file meant twice is taken once.

    Raises:
        StorytellerError: a folder or a pattern has no such file.
    """
    found: dict[str, Path] = {}
    for place in map(Path, places):
        if place.is_dir():
            files = sorted(file for pattern in PATTERNS for file in place.glob(pattern))
            missing = f"{place}: the folder holds no {' or '.join(PATTERNS)}"
        elif not place.exists() and glob.has_magic(str(place)):
            files = sorted(Path(name) for name in glob.glob(str(place), recursive=True))  # noqa: PTH207 - may be absolute
            missing = f"{place}: no file matches this pattern"
        else:
            files, missing = [place], ""
        if not files:
            raise StorytellerError(f"{missing}; name JSONL files, or a folder that holds some")
        found |= {os.path.realpath(file): file for file in files}
    return list(found.values())
