"""How many of this machine's CPUs are free for us at this moment.

On Linux that is looked at directly, for a fifth of a second or longer: how long the CPUs that we may use stood idle or
worked for this process, and what control groups with a limit, such as a container's, have left of it. Elsewhere there
is only the load average, which takes a minute to tell of work that has begun.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: Seconds at least: 20 ticks of the kernel's clock. Of 70 looks at two CPUs with a known load none was off by 0.1 CPUs.
WINDOW = 0.2
PROC = Path("/proc")
CONTROL_GROUPS = Path("/sys/fs/cgroup")


class Look(NamedTuple):
    """What was seen."""

    #: CPUs' worth of time that nobody uses.
    free: float
    #: CPUs' worth of time that we may use at most.
    cpus: float

    @property
    def threads(self) -> int:
        """How many threads suit it. Two threads on a CPU and a half are about as fast as one."""
        return max(1, int(self.free + 0.5))

    def __str__(self) -> str:
        return f"{self.free:.1f} of {self.cpus:g} CPUs are free"


class _Quota(NamedTuple):
    """A control group that may use a limited number of CPUs."""

    cpus: float
    #: The file that says how much it has used, and what one second is in it.
    usage: Path
    second: float


def processor() -> str:
    """What the processor calls itself; where it does not, its architecture."""
    try:
        lines = (PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


class CpuWatch:
    """Looks at the CPUs from its making on; what this process, and those that it waits for, use meanwhile is free."""

    def __init__(self) -> None:
        self._usable = _usable()
        self._quotas = list(_quotas())
        self._began, self._own = time.monotonic(), _own()
        self._idle, self._used = _idle_and_total(), [_used(quota) for quota in self._quotas]

    def look(self) -> Look:
        """What was seen so far; waits until that are `WINDOW` seconds."""
        if (left := WINDOW - (time.monotonic() - self._began)) > 0:
            time.sleep(left)
        seconds = time.monotonic() - self._began
        own = (_own() - self._own) / seconds
        free = [_free(self._usable, self._idle, _idle_and_total(), own)]
        for quota, before in zip(self._quotas, self._used, strict=True):
            free.append(quota.cpus - (_used(quota) - before) / seconds + own)
        most = min([len(self._usable), *(quota.cpus for quota in self._quotas)])
        return Look(min(most, max(0.0, min(free))), most)


def look_at_cpus() -> Look:
    """Looks for `WINDOW` seconds."""
    return CpuWatch().look()


def _own() -> float:
    """Seconds of CPU time of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _usable() -> set[int]:
    """The numbers of the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _free(usable: set[int], before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]], own: float) -> float:
    """Of the usable CPUs, idle or our own between two readings; by the load average where these tell nothing."""
    rows = [(before[cpu], after[cpu]) for cpu in usable if cpu in before and cpu in after]
    # Some sandboxes number CPUs in their own way, or show a clock that stands still.
    if len(rows) < len(usable) or any(later[1] <= earlier[1] for earlier, later in rows):
        return len(usable) - _load_average()
    return own + sum((later[0] - earlier[0]) / (later[1] - earlier[1]) for earlier, later in rows)


def _load_average() -> float:
    """Of the last minute; 0 where there is none."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def _idle_and_total() -> dict[int, tuple[int, int]]:
    """CPU to the ticks it has been idle and those it has been there, since the machine was started."""
    found = {}
    for line in _text(PROC / "stat").splitlines():
        # cpu1 user nice system idle iowait irq softirq steal guest guest_nice; the last two are in the first two.
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            counts = [int(count) for count in ticks[:8]]
            found[int(name.removeprefix("cpu"))] = (sum(counts[3:5]), sum(counts))
    return found


def _quotas() -> Iterator[_Quota]:
    """Of the control groups that this process is in and of those around them, by version 2 and by version 1."""
    for line in _text(PROC / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for group in _group_and_parents(path):
                quota, _, period = _text(CONTROL_GROUPS / group / "cpu.max").partition(" ")
                if quota not in ("", "max"):
                    yield _Quota(int(quota) / int(period), CONTROL_GROUPS / group / "cpu.stat", 1e6)
        elif "cpu" in controllers.split(","):
            for group in _group_and_parents(path):
                folder = CONTROL_GROUPS / "cpu" / group
                quota = _text(folder / "cpu.cfs_quota_us").strip()
                if quota not in ("", "-1"):
                    period = _text(folder / "cpu.cfs_period_us")
                    usage = CONTROL_GROUPS / "cpuacct" / group / "cpuacct.usage"
                    yield _Quota(int(quota) / int(period), usage, 1e9)


def _group_and_parents(path: str) -> list[Path]:
    """Relative to the root. In a container the path may be the host's, and then only the root is there to be read."""
    group = Path(path.lstrip("/"))
    return [group, *group.parents] if group.parts else [group]


def _used(quota: _Quota) -> float:
    """Seconds of CPU time so far: the file holds `usage_usec N` and more lines (version 2), or `N` (1)."""
    words = _text(quota.usage).removeprefix("usage_usec").split()
    return int(words[0]) / quota.second if words else 0.0


def _text(path: Path) -> str:
    """The file's text; none where it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
