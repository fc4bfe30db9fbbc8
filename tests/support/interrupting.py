"""Ctrl-C at a known moment of a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from workspace import BIN

#: Seconds. Far more than is needed, so that a busy machine fails no test, and a hanging one all the same ends.
PATIENCE = 120
MESSAGE = "Stopped by Ctrl-C.\n"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str


def interrupt(
    command: str, *arguments: str | Path, at: str, group: bool = False, variables: dict[str, str] | None = None
) -> Ended:
    """Runs a console command and presses Ctrl-C when it has come to a place.

    Args:
        at: see `pausing/sitecustomize.py`.
        group: its child processes get the signal too, as from a terminal; otherwise it alone, as from `kill -INT`.
        variables: of the environment.
    """
    paused = Path("paused")
    paused.unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).with_name("pausing")),
        "PAUSE_AT": at,
        "PAUSED": str(paused.absolute()),
        **(variables or {}),
    }
    process = subprocess.Popen(
        [sys.executable, BIN / command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not paused.exists():
            assert process.poll() is None, f"it ended before it came to {at}: {process.communicate()}"
            assert time.monotonic() < deadline, f"it never came to {at}"
            time.sleep(0.01)
        (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return Ended(process.returncode, stdout, stderr)
