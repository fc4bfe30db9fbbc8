"""One run of the generator with its default size and seed, shared by the tests that only read it."""

from __future__ import annotations

import pytest
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.sample.events.generate import EventData, generate
from storyteller_trainer.sample.events.prose import load_prose
from storyteller_trainer.sample.fallback import EVENT_SEED, EVENTS_PER_KIND


@pytest.fixture(scope="session")
def generated() -> EventData:
    return generate(EVENTS_PER_KIND, EVENT_SEED)


@pytest.fixture(scope="session")
def prose() -> list[EventExample]:
    return load_prose()
