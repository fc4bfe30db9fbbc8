"""The optional libraries of the event pipeline, and what to say where they are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from storyteller_schema.errors import StorytellerError


@contextmanager
def events_extra() -> Iterator[None]:
    """Around an import of the event pipeline.

    Raises:
        StorytellerError: a library of the extra `events` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise StorytellerError(
            f"event models need {error.name}, which is not installed; run `make setup`, or install the exporter with "
            "its extra: storyteller-exporter[events]"
        ) from error
