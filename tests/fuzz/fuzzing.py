"""What all fuzzers share: one run of a command, in this process or apart from it, and the loop over seeds."""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import click
from click.testing import CliRunner, Result

# What the tests share can be imported then, inside of functions: the fuzzers are scripts.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

#: How a command may end.
CODES = (0, 1, 2)


@dataclass(frozen=True)
class Outcome:
    """How one input ended."""

    #: An exit code or a word; the report counts them.
    ended: str
    output: str
    #: What must not be: a traceback, another exit code, too much time, a wrong verdict.
    fault: str = ""


@dataclass(frozen=True)
class Case:
    """A mutated input."""

    #: What was done, for the report.
    steps: tuple[str, ...]
    #: Tries it.
    run: Callable[[], Outcome]


class Seeded(random.Random):
    """Chances that know their seed, for what comes in turn."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class TooLongError(BaseException):
    """No `Exception`, which a command would turn into a message of its own and an exit code."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """
    Raises:
        TooLongError: what is inside takes longer.
    """

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TooLongError(f"longer than {seconds} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def invoke(command: click.Command, *arguments: str) -> Result:
    """Runs a command in this process."""
    return CliRunner().invoke(command, list(arguments))


def fault_of(result: Result) -> str:
    """A traceback, or an exit code that no command has; nothing where it ended as it may."""
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        return "".join(traceback.format_exception(error))[-3000:]
    return "" if result.exit_code in CODES else f"exit code {result.exit_code}"


def apart(function: Callable[[], Outcome], seconds: float) -> Outcome:
    """Calls the function in a fork of this process, which it may bring down or keep busy without an end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            outcome = function()
        except BaseException:
            outcome = Outcome("fault", "", traceback.format_exc()[-3000:])
        content = json.dumps(asdict(outcome)).encode()
        while content:
            content = content[os.write(writing, content) :]
        os._exit(0)
    os.close(writing)
    found, until = bytearray(), time.monotonic() + seconds
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(until - time.monotonic(), 0))[0]:
            part = pipe.read(1 << 16)
            if not part:
                break
            found += part
        else:
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGKILL and time.monotonic() >= until:
        return Outcome("fault", "", f"longer than {seconds:g} s")
    if code != 0:
        return Outcome("fault", "", f"the process ended with {code}")
    return Outcome(**json.loads(found))


def fuzz(description: str, make: Callable[[Seeded], Case], count: int) -> int:
    """Tries as many mutated inputs as asked for; 1 when one of them showed a fault.

    Args:
        count: how many, where none is asked for.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=count, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1, help="of the first input; the others follow")
    parser.add_argument("--seconds", type=float, default=600, help="stop after this time")
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    faults, slowest, begin = 0, 0.0, time.monotonic()
    for seed in range(options.seed, options.seed + options.count):
        if time.monotonic() - begin > options.seconds:
            click.echo(f"stopped after {options.seconds:g} s")
            break
        case = make(Seeded(seed))
        start = time.monotonic()
        try:
            outcome = case.run()
        except TooLongError as error:
            outcome = Outcome("fault", "", str(error))
        slowest = max(slowest, time.monotonic() - start)
        ends[outcome.ended] += 1
        if outcome.fault:
            faults += 1
            click.echo(f"seed {seed}: {outcome.fault}\n  {'; '.join(case.steps)}\n{outcome.output[-1500:]}")
    ended = ", ".join(f"{number} with {end}" for end, number in sorted(ends.items()))
    click.echo(f"{ends.total()} inputs: {ended}; slowest {slowest:.1f} s; {faults} faults")
    return 1 if faults else 0
