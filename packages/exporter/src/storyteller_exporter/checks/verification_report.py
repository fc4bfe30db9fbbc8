"""What a verification has to say: checks, differences, and the report they make up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import msgspec
from storyteller_schema.common.errors import first_line
from storyteller_schema.common.one_line import one_line

#: What a file's numbers are compared with, in a `Difference`.
PYTORCH = "PyTorch"
#: Characters of what a check says.
LONGEST_DETAIL = 1000


class Status(StrEnum):
    """How a check ended. `SKIPPED` says what was missing to look; `UNJUDGED` that it was needed for a verdict."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNJUDGED = "not judged"


class Verdict(StrEnum):
    """What a verification comes to."""

    PASSED = "passed"
    FAILED = "failed"
    #: Nothing is wrong that was looked at, but nothing says that the file's numbers are right: they were not compared
    #: with PyTorch's for want of a checkpoint, or cannot be the same and no data says what they are worth.
    UNJUDGED = "not judged"


class Check(msgspec.Struct, frozen=True):
    """One row: what was looked at, how it ended, and what was found or what to do."""

    name: str
    status: Status
    detail: str


class Difference(msgspec.Struct, frozen=True):
    """How far one output of one case is from what it is compared with."""

    case: str
    #: What the output is compared with: PYTORCH, or the same rows `one by one`.
    against: str
    output: str
    #: The absolute part of the tolerance here.
    atol: float
    #: The largest absolute difference; None when a value is not finite or the shapes differ.
    worst: float | None
    #: The largest absolute difference in units of what is allowed there, so at most 1 when it passes; None as above.
    share: float | None
    passed: bool
    #: Where the worst value stands, or what else is wrong.
    detail: str


class Change(msgspec.Struct, frozen=True):
    """A figure of the model that was exported, and what became of it in the file."""

    name: str
    reference: float
    found: float
    #: By how much it may get worse.
    limit: float
    passed: bool


class Verification(msgspec.Struct):
    """Everything found out about one file."""

    file: str
    #: Of the file's bytes; None when it cannot be read.
    sha256: str | None = None
    #: The interface the file was checked against; None when it resembles none.
    interface: str | None = None
    checks: list[Check] = []
    #: A difference may be atol, which stands with it, and this times the largest number of the same row.
    rtol: float | None = None
    differences: list[Difference] = []
    #: Of the training run, by name: what `--max-loss` and `--min-f1` are held against.
    scores: dict[str, float] = {}
    #: In place of parity, for a file whose numbers cannot be the same.
    changes: list[Change] = []
    #: The file's key-value notes.
    metadata: dict[str, str] = {}
    #: Package name to version, of the process that verified.
    versions: dict[str, str] = {}

    def add(self, name: str, status: Status, detail: str) -> None:
        """Appends a check; what it says may hold anything from the file, and becomes one line."""
        self.checks.append(Check(name, status, one_line(detail, LONGEST_DETAIL)))

    @contextmanager
    def isolated(self, name: str) -> Iterator[None]:
        """Around a check: one that breaks has failed, and what comes after goes on."""
        try:
            yield
        except Exception as error:  # whatever a strange file has brought about
            self.add(name, Status.FAILED, f"could not be checked: {type(error).__name__}: {first_line(error)}")

    def judge(self, name: str, problems: list[str], good: str) -> None:
        """Appends a check that failed when there are problems, all of them named."""
        self.add(name, Status.FAILED if problems else Status.OK, "; ".join(problems) or good)

    @property
    def verdict(self) -> Verdict:
        """Passed when nothing failed, and the file's numbers were compared with PyTorch's or judged by their worth."""
        found = {check.status for check in self.checks}
        sound = all(d.passed for d in self.differences) and all(c.passed for c in self.changes)
        if Status.FAILED in found or Status.OK not in found or not sound:
            return Verdict.FAILED
        known = bool(self.changes) or any(difference.against == PYTORCH for difference in self.differences)
        return Verdict.PASSED if known and Status.UNJUDGED not in found else Verdict.UNJUDGED

    @property
    def passed(self) -> bool:
        """Whether the verdict is that it passed."""
        return self.verdict is Verdict.PASSED

    def problems(self) -> list[str]:
        """A line for each thing that kept the file from passing."""
        kept = (Status.FAILED, Status.UNJUDGED)
        lines = [f"{check.name}: {check.status}: {check.detail}" for check in self.checks if check.status in kept]
        return lines + [
            f"{change.name}: failed: {change.reference:.4f} became {change.found:.4f}; allowed is {change.limit:g}"
            for change in self.changes
            if not change.passed
        ]

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, the verdict included."""
        return {"passed": self.passed, "verdict": self.verdict, **_finite(msgspec.to_builtins(self))}


def _finite(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def overall(reports: Sequence[Verification]) -> Verdict:
    """The verdict on files that belong together: the worst of theirs."""
    verdicts = {report.verdict for report in reports}
    return next((verdict for verdict in (Verdict.FAILED, Verdict.UNJUDGED) if verdict in verdicts), Verdict.PASSED)


def as_json(reports: Sequence[Verification]) -> dict[str, Any]:
    """The reports of files that belong together."""
    verdict = overall(reports)
    return {
        "passed": verdict is Verdict.PASSED,
        "verdict": verdict,
        "files": [report.as_json() for report in reports],
    }
