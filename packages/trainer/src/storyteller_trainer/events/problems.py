"""What can be wrong with a line of an event data file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """The sorts of problems, by which they are counted."""

    ENCODING = "not UTF-8"
    TRUNCATED = "cut off"
    JSON = "not JSON"
    KEY = "missing key"
    TYPE = "wrong type"
    VALUE = "unknown value"
    EMPTY = "empty"
    OFFSETS = "offsets do not give the text"
    OVERLAP = "overlapping entities"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong in one line."""

    line: int
    """Counted from 1."""

    kind: ProblemKind

    field: str
    """The path inside the record (`entities[0].category`); empty when it is the whole line."""

    found: str
    """What stands there."""

    expected: str
    """What should stand there, or what to do."""

    def __str__(self) -> str:
        place = f"line {self.line}" + (f": {self.field}" if self.field else "")
        return f"{place}: {self.kind}: {self.found}; {self.expected}"
