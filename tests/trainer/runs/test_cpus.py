"""What is seen of other work on a machine, on machines of every kind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from storyteller_trainer.runs import cpus
from storyteller_trainer.runs.cpus import WINDOW, CpuWatch, Look, look_at_cpus

#: Ticks in which a CPU did nothing, of the 20 ticks of a look.
IDLE, BUSY, HALF = 20, 0, 10


class Machine:
    """Files as Linux shows them; `pass_time` is what happens during a look."""

    def __init__(self, root: Path) -> None:
        self.proc, self.groups = root / "proc", root / "cgroup"
        self.later: list[Callable[[], None]] = []
        #: Seconds on the clock, and of CPU time of this process and those that it has waited for.
        self.now, self.own = 50.0, [1.0, 2.0, 3.0, 4.0]

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stat(self, idle: Sequence[int], start: int = 4000) -> None:
        """CPUs that are idle for so many ticks of the next look; half of it waiting for a disk, which is idle, too."""

        def show(ticks: Sequence[int], passed: int) -> None:
            rows = ["cpu  1 2 3 4 5 6 7 8 9 10"]
            for cpu, rest in enumerate(ticks):
                user = 300 + passed - rest
                rows.append(f"cpu{cpu} {user} 10 20 {start + rest // 2} {rest - rest // 2} 1 2 3 50 60")
            self.write(self.proc / "stat", "\n".join([*rows, "intr 99 1 2", "procs_running 5", ""]))

        show([0] * len(idle), 0)
        self.later.append(lambda: show(idle, 20))

    def used(self, path: Path, text: str, seconds: float, unit: float) -> None:
        """A counter of CPU time that grows by so many seconds during the next look."""
        self.write(path, text.format(7_000_000))
        self.later.append(lambda: self.write(path, text.format(7_000_000 + round(seconds * unit))))

    def pass_time(self, seconds: float) -> None:
        assert seconds == WINDOW
        self.now += seconds
        for change in self.later:
            change()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Linux, with four CPUs that all may be used; nothing else is there yet."""
    made = Machine(tmp_path)
    monkeypatch.setattr(cpus, "PROC", made.proc)
    monkeypatch.setattr(cpus, "CONTROL_GROUPS", made.groups)
    monkeypatch.setattr(time, "sleep", made.pass_time)
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    monkeypatch.setattr(os, "times", lambda: (*made.own, made.now))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: pytest.fail("the load average lags behind"))
    return made


@pytest.mark.parametrize(
    ("idle", "free"),
    [
        ([IDLE, IDLE, IDLE, IDLE], 4),
        ([IDLE, BUSY, IDLE, IDLE], 3),
        ([HALF, BUSY, HALF, HALF], 1.5),
        ([BUSY, BUSY, BUSY, BUSY], 0),
    ],
)
def test_cpus_that_stand_idle_are_free(machine: Machine, idle: Sequence[int], free: float) -> None:
    machine.stat(idle)
    assert look_at_cpus() == Look(free, 4)


def test_only_cpus_that_this_process_may_run_on_count(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 2})
    machine.stat([IDLE, BUSY, IDLE, IDLE])
    assert look_at_cpus() == Look(1, 2)


def test_what_this_process_does_meanwhile_is_free_for_it(machine: Machine) -> None:
    """Watched for two windows: it keeps half a CPU busy itself, and one that it has waited for a quarter of one."""
    machine.stat([HALF, BUSY, HALF, IDLE])
    machine.write(machine.proc / "self/cgroup", "0::/\n")
    machine.write(machine.groups / "cpu.max", "300000 100000\n")
    machine.used(machine.groups / "cpu.stat", "usage_usec {}\nuser_usec 5\n", seconds=2 * WINDOW, unit=1e6)
    watch = CpuWatch()
    for _ in range(2):
        machine.pass_time(WINDOW)
    machine.own = [1.0 + WINDOW, 2.0, 3.0 + WINDOW / 2, 4.0]
    # Two CPUs and three quarters by the CPUs, and of the group's three one is used, three quarters of it by us.
    assert watch.look() == pytest.approx(Look(2.75, 3))


def test_no_more_is_free_than_there_is(machine: Machine) -> None:
    machine.stat([IDLE] * 4)
    watch = CpuWatch()
    machine.own = [1.1, 2.0, 3.0, 4.0]
    assert watch.look() == Look(4, 4)


# --- control groups ---------------------------------------------------------------------------------------------------


def test_a_container_with_control_groups_of_version_2(machine: Machine) -> None:
    machine.stat([IDLE] * 4)
    machine.write(machine.proc / "self/cgroup", "0::/\n")
    machine.write(machine.groups / "cpu.max", "150000 100000\n")
    machine.used(machine.groups / "cpu.stat", "usage_usec {}\nuser_usec 5\n", seconds=0, unit=1e6)
    assert look_at_cpus() == Look(1.5, 1.5)


def test_what_others_in_the_same_group_use_is_not_free(machine: Machine) -> None:
    machine.stat([IDLE] * 4)
    machine.write(machine.proc / "self/cgroup", "0::/\n")
    machine.write(machine.groups / "cpu.max", "300000 100000\n")
    machine.used(machine.groups / "cpu.stat", "usage_usec {}\nuser_usec 5\n", seconds=2 * WINDOW, unit=1e6)
    assert look_at_cpus() == pytest.approx(Look(1, 3))


def test_the_limit_may_be_that_of_a_group_further_up(machine: Machine) -> None:
    machine.stat([IDLE] * 4)
    machine.write(machine.proc / "self/cgroup", "0::/user.slice/user-7.slice/shell.scope\n")
    machine.write(machine.groups / "user.slice/cpu.max", "max 100000\n")
    machine.write(machine.groups / "user.slice/user-7.slice/cpu.max", "200000 100000\n")
    machine.write(machine.groups / "user.slice/user-7.slice/shell.scope/cpu.max", "300000 100000\n")
    assert look_at_cpus() == Look(2, 2)


@pytest.mark.parametrize("shown", ["/", "/docker/0123abcd"])
def test_a_container_with_control_groups_of_version_1(machine: Machine, shown: str) -> None:
    """Whether the path is the container's or, as with Docker, the host's, which is not there to be read."""
    machine.stat([IDLE] * 4)
    machine.write(machine.proc / "self/cgroup", f"9:memory:{shown}\n4:cpu,cpuacct:{shown}\n0::/\n")
    machine.write(machine.groups / "cpu/cpu.cfs_quota_us", "250000\n")
    machine.write(machine.groups / "cpu/cpu.cfs_period_us", "100000\n")
    machine.used(machine.groups / "cpuacct/cpuacct.usage", "{}\n", seconds=WINDOW, unit=1e9)
    assert look_at_cpus() == pytest.approx(Look(1.5, 2.5))


@pytest.mark.parametrize("group", ["4:cpu:/\n", "0::/\n"])
def test_groups_without_a_limit_limit_nothing(machine: Machine, group: str) -> None:
    machine.stat([IDLE] * 4)
    machine.write(machine.proc / "self/cgroup", group)
    machine.write(machine.groups / "cpu.max", "max 100000\n")
    machine.write(machine.groups / "cpu/cpu.cfs_quota_us", "-1\n")
    assert look_at_cpus() == Look(4, 4)


def test_a_limit_that_is_used_up_leaves_nothing(machine: Machine) -> None:
    machine.stat([IDLE] * 4)
    machine.write(machine.proc / "self/cgroup", "0::/\n")
    machine.write(machine.groups / "cpu.max", "100000 100000\n")
    machine.used(machine.groups / "cpu.stat", "usage_usec {}\n", seconds=1.2 * WINDOW, unit=1e6)
    assert look_at_cpus() == Look(0, 1)


# --- where there is nothing to look at --------------------------------------------------------------------------------


def test_macos_has_only_the_load_average(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (2.25, 0.0, 0.0))
    assert look_at_cpus() == Look(5.75, 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (30.0, 0.0, 0.0))
    assert look_at_cpus() == Look(0, 8)


def test_a_system_that_tells_nothing_is_taken_for_free(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def unobtainable() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", unobtainable)
    assert look_at_cpus() == Look(4, 4)


def test_a_sandbox_that_numbers_cpus_in_its_own_way(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {6, 7})
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.0, 0.0))
    machine.stat([IDLE, BUSY])
    assert look_at_cpus() == Look(1.5, 2)


def test_a_sandbox_whose_clock_stands_still(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    machine.stat([IDLE] * 4)
    machine.later.clear()
    assert look_at_cpus() == Look(1, 4)


def test_this_very_machine() -> None:
    free, most = look_at_cpus()
    assert 0 <= free <= most
    assert most > 0


def test_a_look_in_words() -> None:
    assert str(Look(0.04, 2)) == "0.0 of 2 CPUs are free"
    assert str(Look(1.26, 1.5)) == "1.3 of 1.5 CPUs are free"
