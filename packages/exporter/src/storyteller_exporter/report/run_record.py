"""What a finished or unfinished run has written down: `run.json` and `history.jsonl`, of whatever version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs.history import HistoryRow, with_todays_keys
from storyteller_trainer.runs.run_files import HISTORY, SUMMARY


class _File(msgspec.Struct):
    path: str = ""


class _Data(msgspec.Struct):
    file: str = ""
    files: list[_File] = []
    notices: list[str] = []


class _Summary(msgspec.Struct):
    """Of which types the parts are that the pages take apart."""

    data: _Data = msgspec.field(default_factory=_Data)
    recipe: dict[str, Any] | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run folder, as far as it speaks of itself."""

    folder: Path
    #: `run.json` as it is; empty where there is none.
    summary: dict[str, Any]
    history: list[HistoryRow]

    @property
    def finished(self) -> bool:
        """Whether the run says that it came to its end."""
        return self.summary.get("finished") is True

    @property
    def recipe(self) -> dict[str, Any]:
        """Every value that shaped the training."""
        return self.summary.get("recipe") or {}


def read_run(folder: Path) -> RunRecord:
    """
    Raises:
        StorytellerError: a file of the run is there and cannot be read.
    """
    try:
        summary = json.loads((folder / SUMMARY).read_bytes()) if (folder / SUMMARY).is_file() else {}
        msgspec.convert(summary, _Summary)
    except (ValueError, OSError, RecursionError, msgspec.ValidationError) as error:
        raise StorytellerError(f"{folder / SUMMARY}: cannot be read ({error}); train again") from error
    file = folder / HISTORY
    rows = []
    lines = file.read_bytes().splitlines() if file.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(msgspec.json.decode(with_todays_keys(line), type=HistoryRow))
        except msgspec.DecodeError as error:
            if number == len(lines):  # cut off by a power cut: --resume mends it
                break
            raise StorytellerError(f"{file}: line {number}: {error}; train again") from error
    return RunRecord(folder, summary, rows)
