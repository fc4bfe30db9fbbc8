"""What the two fuzzers of `storyteller-schema check` share: one run of the command, and the loop over seeds."""

from __future__ import annotations

import argparse
import json
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import click
from click.testing import CliRunner
from storyteller_schema.cli import main

#: Seconds that one check may take.
LIMIT = 10


@dataclass(frozen=True)
class Outcome:
    """How a check of one input ended."""

    exit_code: int
    output: str
    #: Topics that the source did not show.
    unconfirmed: tuple[str, ...] = ()
    #: What must not be: a traceback, another exit code, too much time.
    fault: str = ""


def check(*arguments: str) -> Outcome:
    """Runs `storyteller-schema check` in this process, with `--json` and for people."""

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {LIMIT} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    try:
        result = CliRunner().invoke(main, ["check", "--json", *arguments])
        shown = CliRunner().invoke(main, ["check", *arguments])
    finally:
        signal.alarm(0)
    if shown.exit_code != result.exit_code:
        result = shown
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        return Outcome(result.exit_code, "".join(traceback.format_exception(error)), fault=repr(error)[:200])
    if result.exit_code not in (0, 1, 2):
        return Outcome(result.exit_code, result.output, fault=f"exit code {result.exit_code}")
    reports = json.loads(result.stdout) if result.stdout else []
    unconfirmed = tuple(name for report in reports for name in report["unconfirmed"])
    if result.exit_code == 2 and not (result.stderr or any(report["unjudged"] for report in reports)):
        return Outcome(2, result.output, fault="exit code 2 without a word")
    return Outcome(result.exit_code, result.output, unconfirmed)


@dataclass(frozen=True)
class Case:
    """A mutated input."""

    #: What was done, for the report.
    steps: tuple[str, ...]
    #: Whether the check may end with 0: given its outcome, what is wrong with that, or nothing.
    judge: Callable[[Outcome], str]
    #: The arguments of the check.
    arguments: tuple[str, ...]


def fuzz(description: str, make: Callable[[random.Random], Case]) -> int:
    """Checks as many mutated inputs as asked for; 1 when one of them showed a fault."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=300, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1, help="of the first input; the others follow")
    parser.add_argument("--seconds", type=float, default=600, help="stop after this time")
    options = parser.parse_args()
    codes: Counter[int] = Counter()
    faults, slowest, begin = 0, 0.0, time.monotonic()
    for seed in range(options.seed, options.seed + options.count):
        if time.monotonic() - begin > options.seconds:
            click.echo(f"stopped after {options.seconds:g} s")
            break
        case = make(random.Random(seed))
        start = time.monotonic()
        outcome = check(*case.arguments)
        slowest = max(slowest, time.monotonic() - start)
        codes[outcome.exit_code] += 1
        fault = outcome.fault or case.judge(outcome)
        if fault:
            faults += 1
            click.echo(f"seed {seed}: {fault}\n  {'; '.join(case.steps)}\n{outcome.output[-1500:]}")
    ended = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    click.echo(f"{sum(codes.values())} inputs: {ended}; slowest {slowest:.1f} s; {faults} faults")
    return 1 if faults else 0
