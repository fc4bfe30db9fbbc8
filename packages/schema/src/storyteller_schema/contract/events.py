"""Event kinds, entity categories and BIO labels of the text pipeline, and how event logits are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import WireEnum


class EventKind(WireEnum):
    """What a sentence tells: several may hold at once."""

    STATE_ASSERTION = "StateAssertion"
    ACTION_OCCURRENCE = "ActionOccurrence"
    SPATIAL_CHANGE = "SpatialChange"
    EMOTIONAL_EXPRESSION = "EmotionalExpression"
    INFORMATION_TRANSFER = "InformationTransfer"
    SPEECH_ACT = "SpeechAct"
    RELATIONAL_SHIFT = "RelationalShift"
    ENVIRONMENTAL_CHANGE = "EnvironmentalChange"


class EntityCategory(WireEnum):
    """What kind of thing an entity span names; the values are written in upper case in data and labels."""

    CHARACTER = "CHARACTER"
    OBJECT = "OBJECT"
    LOCATION = "LOCATION"
    GESTURE = "GESTURE"
    SENSORY = "SENSORY"
    ABSTRACT = "ABSTRACT"
    COLLECTIVE = "COLLECTIVE"


class EntityRole(WireEnum):
    """The part an entity plays in its sentence."""

    ACTOR = "Actor"
    TARGET = "Target"
    INSTRUMENT = "Instrument"
    LOCATION = "Location"
    WITNESS = "Witness"
    SUBJECT = "Subject"


class Register(WireEnum):
    """Who speaks: the player in the first person present, or the narrator in the third person past."""

    PLAYER = "player"
    NARRATOR = "narrator"


#: `O`, then a B-/I- pair for each category, in wire order.
BIO_LABELS: tuple[str, ...] = ("O", *(f"{prefix}-{category}" for category in EntityCategory for prefix in "BI"))
#: Texts are cut after this many tokens, special tokens included.
MAX_SEQ_LENGTH = 128
#: The label of a token that no loss looks at.
IGNORE_INDEX = -100
#: An event kind holds when its sigmoid is strictly above this.
EVENT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Span:
    """An entity in a text: a half-open range of offsets and what it names. `spans.py` makes and reads them."""

    #: Offsets into the text, in UTF-8 bytes unless the function that made the span says otherwise.
    start: int
    end: int
    category: EntityCategory
    #: Mean softmax probability of the tokens; 1 for an annotated span.
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise StorytellerError(
                f"entity span of {self.category} has start {self.start} and end {self.end}; expected 0 <= start <= end"
            )


def event_probabilities(logits: ArrayLike) -> NDArray[np.float32]:
    """Sigmoid in float32, as the engine computes it; any shape, kept."""
    raw = np.asarray(logits, dtype=np.float32)
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and 1 / infinity is the right 0
        return np.float32(1) / (np.float32(1) + np.exp(-raw))


def decode_events(logits: ArrayLike) -> tuple[EventKind, ...]:
    """The kinds that hold, in wire order, for the logits [8] of one text: sigmoid strictly above EVENT_THRESHOLD.

    A NaN holds nothing. For a batch, compare `event_probabilities` with EVENT_THRESHOLD.

    Raises:
        StorytellerError: there are not exactly 8 logits.
    """
    probabilities = event_probabilities(logits)
    if probabilities.shape != (len(EventKind),):
        raise StorytellerError(f"expected {len(EventKind)} event logits, one per kind, got shape {probabilities.shape}")
    return tuple(kind for kind, p in zip(EventKind, probabilities, strict=True) if p > EVENT_THRESHOLD)
