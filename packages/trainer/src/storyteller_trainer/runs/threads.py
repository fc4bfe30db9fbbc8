"""By how many threads to compute on the CPU, on a machine that may have other work to do.

The threads of one computation wait for each other several hundred times in a step. When one of them has no CPU, because
another program is on it, all the others wait: two threads beside other work take longer than one, and where those that
wait do so by spinning, more than ten times as long. So a run takes as many threads as CPUs are free when it begins.
The number decides the order of sums, hence the bits of the result: a run keeps it, also when it is resumed.

docs/performance.md has the measurements. PyTorch is imported only by what needs it: `limit_spinning` has to come first.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from storyteller_schema.common.options import option

from storyteller_trainer.runs.cpus import Look, look_at_cpus

if TYPE_CHECKING:
    import torch

AUTO = "auto"
#: How often a waiting thread looks before it sleeps; libgomp's own number is 300,000. An epoch by two threads on two
#: idle cores took 0.68 s with either, 0.7 to 0.9 s with 1,000 and 1.2 s with none; beside eight busy processes it took
#: 9 s with this number and 20 to 28 s with 10,000.
SPINS = 2000


def limit_spinning() -> None:
    """Has threads that wait go to sleep soon; no effect after PyTorch was imported.

    This is for work of others that begins during a run. It is done where it was measured, which is libgomp (the OpenMP
    of PyTorch on Linux) on x86, and not where the user has decided already.
    """
    measured = sys.platform == "linux" and platform.machine() == "x86_64"
    if measured and not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)


def _fixed(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """The number that the user gave, by the option or else by OMP_NUM_THREADS."""
    if value == AUTO:
        return None
    if value is None:
        # As OpenMP reads it: a list is for nested levels, and what is no number is not there.
        first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        return int(first) if first.isdecimal() and int(first) else None
    if value.isdecimal() and int(value):
        return int(value)
    raise click.BadParameter(f"{value!r} is neither {AUTO} nor a number from 1 on")


def threads_option(section: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option `--threads`, which gives a command `threads`: the number that the user fixed, or None."""
    return option(
        "--threads",
        metavar=f"{AUTO}|N",
        callback=_fixed,
        help=f"Of each process, on the CPU; {AUTO}: as many as CPUs are free. [OMP_NUM_THREADS, else {AUTO}]",
        section=section,
    )


def choose_threads(
    device: torch.device,
    fixed: int | None,
    recorded: int | None,
    notify: Callable[[str], None],
    *,
    processes: int = 1,
    look: Callable[[], Look] | None = None,
) -> int:
    """By how many threads a run is to compute, which a line to the user says where it computes on the CPU.

    Args:
        fixed: the user's number.
        recorded: that of the run to go on with; 0 where it has none, as in earlier versions; None for a new run.
        processes: that share this machine; the number is for each of them.
        look: how many CPUs are free, if that is being watched already.
    """
    import torch

    most = torch.get_num_threads()
    if device.type != "cpu":
        return fixed or most
    if recorded == 0:
        recorded = most if processes == 1 else 1  # as it was in those versions
    if fixed:
        change = (
            "" if recorded in (None, fixed) else f"; so far the run had {recorded}: the result will not be the same"
        )
        notify(f"{_count(fixed, processes)}, as --threads or OMP_NUM_THREADS says{change}")
        return fixed
    seen = (look or look_at_cpus)()
    now = max(1, min(seen.threads, most) // processes)
    if recorded is None:
        notify(f"{_count(now, processes)}: {seen} (--threads N fixes the number)")
        return now
    change = "" if recorded == now else f", for the same result to the bit; a new run would take {now}: {seen}"
    notify(f"{_count(recorded, processes)}, as the run had so far{change}")
    return recorded


def _count(threads: int, processes: int) -> str:
    line = "Computing by 1 thread" if threads == 1 else f"Computing by {threads} threads"
    return line if processes == 1 else f"{line} a process"


@contextmanager
def computing_by(threads: int) -> Iterator[None]:
    """Has PyTorch compute by that many threads; afterwards by as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
