"""Training files for the tests of how they are read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def files(
    tmp_path: Path, records: Callable[..., list[dict[str, Any]]], write: Callable[[Path, list[dict[str, Any]]], Path]
) -> list[Path]:
    """Three files, older than the cache's doubts about fresh ones."""
    made = [write(tmp_path / f"{name}.jsonl", records(20, cells=4, seed=seed)) for seed, name in enumerate("abc")]
    for file in made:
        os.utime(file, (time.time() - 60,) * 2)
    return made
