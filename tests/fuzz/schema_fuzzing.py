"""What the two fuzzers of `storyteller-schema check` share: one run of the command, and what is held against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from fuzzing import Case, Outcome, at_most, fault_of, invoke
from storyteller_schema.cli import main

#: Seconds that one check may take.
LIMIT = 10


@dataclass(frozen=True)
class Checked:
    """How a check ended."""

    exit_code: int
    #: Topics that the source did not show.
    unconfirmed: tuple[str, ...] = ()


def schema_case(steps: tuple[str, ...], judge: Callable[[Checked], str], *arguments: str) -> Case:
    """A case that runs `storyteller-schema check` with `--json` and for people.

    Args:
        judge: whether the check may end as it did: what is wrong with that, or nothing.
        arguments: of the check.
    """
    return Case(steps, lambda: _check(judge, arguments))


def _check(judge: Callable[[Checked], str], arguments: tuple[str, ...]) -> Outcome:
    with at_most(LIMIT):
        result = invoke(main, "check", "--json", *arguments)
        shown = invoke(main, "check", *arguments)
    if shown.exit_code != result.exit_code:
        result = shown
    code = str(result.exit_code)
    if fault := fault_of(result):
        return Outcome(code, result.output, fault)
    reports = json.loads(result.stdout) if result.stdout else []
    if result.exit_code == 2 and not (result.stderr or any(report["unjudged"] for report in reports)):
        return Outcome(code, result.output, "exit code 2 without a word")
    unconfirmed = tuple(name for report in reports for name in report["unconfirmed"])
    return Outcome(code, result.output, judge(Checked(result.exit_code, unconfirmed)))
