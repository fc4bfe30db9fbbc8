"""Scenarios written by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scenarios import make_scenario
from storyteller_trainer.sample.character.scenarios import Scenarios


@pytest.fixture
def scenario() -> Callable[..., Scenarios]:
    """`make_scenario`, as a fixture."""
    return make_scenario
