"""One light process for the session, of which every call of a command is a copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from light_process import LightProcess


@pytest.fixture(scope="session")
def light_process() -> Iterator[LightProcess]:
    """Runs console commands."""
    with LightProcess() as process:
        yield process
