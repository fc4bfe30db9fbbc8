"""The libraries of the pages, which are the extra `report`, and what to say where they are missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import StorytellerError

LIBRARIES = ("matplotlib", "jinja2")


def is_installed() -> bool:
    """Whether pages can be written here."""
    return all(importlib.util.find_spec(name) is not None for name in LIBRARIES)


@contextmanager
def report_extra() -> Iterator[None]:
    """Around the import of what needs the extra, which takes a second.

    Raises:
        StorytellerError: a library of the extra is not installed.
    """
    for name in LIBRARIES:
        if importlib.util.find_spec(name) is None:
            raise StorytellerError(
                f"reports need {name}, which is not installed; run `make setup`, or install the extra `report`: "
                "storyteller-exporter[report]"
            )
    with ending_at_once():
        yield
