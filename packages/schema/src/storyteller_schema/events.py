"""Event kinds, entity categories and BIO labels of the text pipeline."""

from __future__ import annotations

from storyteller_schema.enums import WireEnum


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
