"""Where a new run goes when no option says it: a folder of its own, and a link to the latest one under the old name.

Imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.settings import ARTIFACTS

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


def new_run(name: str, now: datetime | None = None) -> Path:
    """A folder that is not there yet: `artifacts/runs/20260131-235959-NAME`, in UTC, with a number where one is."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    place = RUNS / f"{stamp}-{name}"
    number = 2
    while place.exists():
        place = RUNS / f"{stamp}-{name}-{number}"
        number += 1
    return place


def link_latest(link: Path, run: Path, notify: Callable[[str], None]) -> None:
    """Makes the link lead to a run. One that lies in the link's place, as earlier versions wrote it, moves to RUNS.

    Raises:
        StorytellerError: the link cannot be made.
    """
    try:
        if link.is_dir() and not link.is_symlink():
            earlier = new_run(f"{link.name}-earlier", datetime.fromtimestamp(link.stat().st_mtime, UTC))
            link.rename(earlier)
            notify(f"{link} held an earlier run, which now lies in {earlier}")
        new = link.with_name(f".{link.name}.new")
        new.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        new.symlink_to(_way(link, run))
        new.replace(link)
    except OSError as error:
        raise StorytellerError(
            f"{link}: cannot be made a link to {run}: {error.strerror}; name the run itself"
        ) from error


def _way(link: Path, run: Path) -> Path:
    """From the link's folder to the run, relative where it lies below, so that the folder can be moved as a whole."""
    parent, target = link.parent.resolve(), run.resolve()
    return target.relative_to(parent) if target.is_relative_to(parent) else target
