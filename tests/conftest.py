"""Every test runs in a folder of its own, and sees neither the user's variables nor the user's `.env`.

To training every CPU is free: on a busy machine it would take fewer threads and end with other bits.

Hypothesis judges what the code does, not how busy the machine is. In CI it draws the same examples every time, so that
a change is judged by what it changed; at home it goes on searching.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from storyteller_trainer.runs import threads
from storyteller_trainer.runs.cpus import Look

settings.register_profile(
    "workspace",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("workspace")

# A shell that runs the tests in the background has them ignore Ctrl-C, and their child processes with them.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _all_free() -> Look:
    return Look(free=64, cpus=64)


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Working directory: `tmp_path`. What a test (or a `.env` it loads) sets is undone."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("STORYTELLER_") or name == "OMP_NUM_THREADS":
            monkeypatch.delenv(name)
    monkeypatch.setattr(threads, "look_at_cpus", _all_free)
    watch = SimpleNamespace(look=_all_free)
    monkeypatch.setattr("storyteller_trainer.commands.train_character_model.CpuWatch", lambda: watch)
    # As in an environment that is active: hints then call commands by their names.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
