"""What a verification has to say: checks, differences, and the report they make up."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec


class Status(StrEnum):
    """How a check ended. Only `FAILED` makes the whole fail; `SKIPPED` says what was missing to look."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True):
    """One row: what was looked at, how it ended, and what was found or what to do."""

    name: str
    status: Status
    detail: str


class Difference(msgspec.Struct, frozen=True):
    """How far one output of one case is from what it is compared with."""

    case: str
    #: What the output is compared with: `PyTorch`, or the same rows `one by one`.
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
    #: In place of parity, for a file whose numbers cannot be the same.
    changes: list[Change] = []
    #: The file's key-value notes.
    metadata: dict[str, str] = {}
    #: Package name to version, of the process that verified.
    versions: dict[str, str] = {}

    def add(self, name: str, status: Status, detail: str) -> None:
        """Appends a check."""
        self.checks.append(Check(name, status, detail))

    def judge(self, name: str, problems: list[str], good: str) -> None:
        """Appends a check that failed when there are problems, all of them named."""
        self.add(name, Status.FAILED if problems else Status.OK, "; ".join(problems) or good)

    @property
    def passed(self) -> bool:
        """Nothing failed, and something was looked at."""
        checked = any(check.status is Status.OK for check in self.checks)
        failed = any(check.status is Status.FAILED for check in self.checks)
        return (
            checked and not failed and all(d.passed for d in self.differences) and all(c.passed for c in self.changes)
        )

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, `passed` included."""
        return {"passed": self.passed, **msgspec.to_builtins(self)}


def as_json(reports: Sequence[Verification]) -> dict[str, Any]:
    """The reports of files that belong together, which pass together."""
    return {"passed": all(report.passed for report in reports), "files": [report.as_json() for report in reports]}


def first_line(error: Exception) -> str:
    """What a library says went wrong, without its stack traces and listings."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
