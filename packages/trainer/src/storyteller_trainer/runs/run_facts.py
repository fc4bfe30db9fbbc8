"""What `run.json` says of how a run came about: when, by which command, of which commit, on which machine."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

#: Seconds that git may take.
_PATIENCE = 5.0


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Known before the first epoch, and kept when a run is resumed."""

    #: ISO 8601, UTC.
    started: str
    #: As a line for a shell.
    command: str
    #: Of the repository that the working directory lies in; empty outside of one.
    commit: str
    #: Whether files of it differed from the commit; None outside of a repository.
    dirty: bool | None
    host: str
    #: The name of the recipe that the values began with.
    preset: str
    #: The values that differ from it.
    differs: dict[str, Any]


def facts_now(preset: str, recipe: Mapping[str, Any], of_preset: Mapping[str, Any]) -> RunFacts:
    """
    Args:
        recipe: every value that shapes the training.
        of_preset: every value of the preset.
    """
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain")
    return RunFacts(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        commit=commit or "",
        dirty=None if commit is None or status is None else bool(status),
        host=platform.node(),
        preset=preset,
        differs={name: value for name, value in recipe.items() if of_preset.get(name) != value},
    )


def _git(*words: str) -> str | None:
    """What git answers; None where there is no git, no repository, or no answer in time."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
