"""The sample data on which the training commands fall back when the user names no data: made on the spot, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from storyteller_schema.common.settings import ARTIFACTS, DATA_VARIABLE

CHARACTER_FILE = ARTIFACTS / "data" / "character.jsonl"
EVENT_FILE = ARTIFACTS / "data" / "events.jsonl"
#: 10,000 sentences, by which nearly every template of the sample comes up once.
EVENTS_PER_KIND = 1250
EVENT_SEED = 2026


def sample_character_file(notify: Callable[[str], None]) -> Path:
    """The character sample; `notify` gets the one line that says it is used, and why.

    Raises:
        StorytellerError: it is not there yet and cannot be written.
    """
    if not CHARACTER_FILE.exists():
        from storyteller_trainer.sample.character.config import SampleConfig
        from storyteller_trainer.sample.character.descriptor_files import load_descriptors
        from storyteller_trainer.sample.character.plan import make_plan
        from storyteller_trainer.sample.character.writer import write_dataset

        write_dataset(make_plan(load_descriptors(), SampleConfig()), CHARACTER_FILE)
    notify(_notice(CHARACTER_FILE))
    return CHARACTER_FILE


def sample_event_file(notify: Callable[[str], None]) -> Path:
    """The event sample, likewise."""
    if not EVENT_FILE.exists():
        from storyteller_trainer.sample.events.generate import generate, write_events

        write_events(EVENT_FILE, generate(EVENTS_PER_KIND, EVENT_SEED))
    notify(_notice(EVENT_FILE))
    return EVENT_FILE


def _notice(path: Path) -> str:
    return f"No DATA given and {DATA_VARIABLE} is not set: using the sample data {path}"
