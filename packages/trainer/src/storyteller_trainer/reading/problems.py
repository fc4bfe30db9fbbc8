"""What can be wrong with a training file, told so that a person can mend it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class ProblemKind(StrEnum):
    """The sorts of problems, by which they are counted."""

    ENCODING = "not UTF-8"
    TRUNCATED = "cut off"
    JSON = "not JSON"
    KEY = "missing key"
    TYPE = "wrong type"
    LENGTH = "wrong length"
    NUMBER = "not a finite float32"
    ONE_HOT = "not one-hot"
    BINARY = "not 0 or 1"
    RANGE = "out of range"
    HASH = "wrong content_hash"
    VALUE = "unknown value"
    EMPTY = "empty"
    OFFSETS = "offsets do not give the text"
    OVERLAP = "overlapping entities"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong in one line."""

    #: Counted from 1.
    line: int

    kind: ProblemKind

    #: The float (`tensor[3].variance`) or the path of the key (`cell.profile`, `entities[0].category`).
    #:
    #: Empty when it is the whole line.
    field: str

    #: The value, as text.
    found: str

    #: What should stand there, or what to do.
    expected: str

    def __str__(self) -> str:
        place = f"line {self.line}" + (f": {self.field}" if self.field else "")
        return f"{place}: {self.kind}: {self.found}; {self.expected}"


@dataclass(slots=True)
class ProblemLog:
    """Counts every problem and keeps the first few."""

    #: How many are kept.
    keep: int = 20

    first: list[Problem] = field(default_factory=list)
    counts: Counter[ProblemKind] = field(default_factory=Counter)
    #: The lines that have a problem.
    lines: set[int] = field(default_factory=set)

    def add(self, problem: Problem) -> None:
        """Counts it, and keeps it if it is among the first."""
        self.counts[problem.kind] += 1
        self.lines.add(problem.line)
        if len(self.first) < self.keep:
            self.first.append(problem)

    @property
    def total(self) -> int:
        """Number of problems counted."""
        return self.counts.total()
