"""Where a new run goes when no option says it: a folder of its own, and a link to the latest one under the old name.

The character model has one link. The event models have one a task, `artifacts/events/TASK`, which leads to
`artifacts/runs/TIME-NAME/TASK`. Imports nothing heavy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.files import temporary_beside
from storyteller_schema.common.settings import ARTIFACTS

from storyteller_trainer.runs.run_files import EVENT_RUNS

#: All runs that no option sends elsewhere.
RUNS = ARTIFACTS / "runs"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def check_run_name(name: str) -> str:
    """
    Raises:
        WrongValue: it cannot be a part of the name of a folder.
    """
    if not _NAME.fullmatch(name):
        raise WrongValue(f"{name!r} cannot name a run: at most 80 of A-Z a-z 0-9 . _ -, and no sign first", "name")
    return name


@contextmanager
def new_run(name: str, now: datetime | None = None) -> Iterator[Path]:
    """Makes a folder for a run: `artifacts/runs/20260131-235959-NAME`, in UTC, with a number where one is already.

    No other process is given the same one. It goes again in the end if it is still empty.

    Raises:
        StorytellerError: it cannot be made.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    place = RUNS / f"{stamp}-{name}"
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        for number in count(2):
            try:
                place.mkdir()
                break
            except FileExistsError:
                place = RUNS / f"{stamp}-{name}-{number}"
    except OSError as error:
        raise StorytellerError(f"{place}: cannot write here: {error.strerror}; choose another place") from error
    try:
        yield place
    finally:
        with suppress(OSError):  # it holds a run now
            place.rmdir()


def is_in_runs(folder: Path) -> bool:
    """Whether a folder lies in RUNS: a run in it, or a folder of runs, becomes the latest after its first epoch."""
    return folder.resolve().parent == RUNS.resolve()


def latest_event_runs(task: str) -> Path | None:
    """The folder of the latest run of a task and of those that were trained with it; None where there is none."""
    link = EVENT_RUNS / task
    if not link.exists():
        return None
    if not link.is_symlink():  # as earlier versions wrote it
        return EVENT_RUNS
    folder = link.resolve().parent
    return RUNS / folder.name if is_in_runs(folder) else folder


def link_latest(link: Path, run: Path, notify: Callable[[str], None]) -> None:
    """Makes the link lead to a run. One that lies in the link's place, as earlier versions wrote it, moves to RUNS.

    Raises:
        StorytellerError: the link cannot be made.
    """
    with _told(link, run):
        if _is_run(link):
            with new_run(f"{link.name}-earlier", _changed(link)) as earlier:
                _set_aside([link], earlier, notify)
        _link(link, run)


def link_latest_events(task: str, run: Path, notify: Callable[[str], None]) -> None:
    """The same for a task of the event models. Earlier runs move together, so that the pair stays one."""
    link = EVENT_RUNS / task
    with _told(link, run):
        runs = [place for place in sorted(EVENT_RUNS.glob("*")) if _is_run(place)]
        if runs:
            with new_run(f"{EVENT_RUNS.name}-earlier", max(map(_changed, runs))) as earlier:
                _set_aside(runs, earlier, notify)
        _link(link, run)


@contextmanager
def _told(link: Path, run: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorytellerError(
            f"{link}: cannot be made a link to {run}: {error.strerror}; name the run itself"
        ) from error


def _is_run(place: Path) -> bool:
    """Whether a folder lies where a link belongs."""
    return place.is_dir() and not place.is_symlink()


def _changed(folder: Path) -> datetime:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC)


def _set_aside(places: Sequence[Path], earlier: Path, notify: Callable[[str], None]) -> None:
    """Moves runs to a folder in RUNS, with links in their places: one of them by itself, or those of tasks in it."""
    for place in places:
        target = earlier / place.name if place.parent == EVENT_RUNS else earlier
        place.rename(target)
        _link(place, target)
        notify(f"{place} held an earlier run, which now lies in {target}")


def _link(link: Path, run: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(link, folder=True) as own:  # another run may make the same link at the same time
        new = own / link.name
        new.symlink_to(_way(link, run))
        new.replace(link)


def _way(link: Path, run: Path) -> Path:
    """From the link's folder to the run: relative where both are in ARTIFACTS, so that it can be moved as a whole."""
    parent, target, whole = link.parent.resolve(), run.resolve(), ARTIFACTS.resolve()
    inside = parent.is_relative_to(whole) and target.is_relative_to(whole)
    return Path(os.path.relpath(target, parent)) if inside else target
