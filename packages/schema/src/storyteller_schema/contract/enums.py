"""The engine's enums. The order of the members is the wire order: it decides which float of a one-hot is set."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class WireEnum(StrEnum):
    """An enum whose values are the engine's variant names and whose order is the order on the wire."""

    #: Position in the one-hot, from 0.
    position: int

    def __new__(cls, value: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.position = len(cls.__members__)
        return member

    @property
    def one_hot(self) -> list[float]:
        """One float per member: 1 at this one's position, 0 elsewhere."""
        values = [0.0] * len(type(self))
        values[self.position] = 1.0
        return values

    @classmethod
    def at(cls, position: int) -> Self:
        """The member at a one-hot position."""
        return list(cls)[position]

    @classmethod
    def labels(cls) -> tuple[str, ...]:
        """The variant names, in wire order."""
        return tuple(member.value for member in cls)

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # serde can write a variant as SharedHistory, shared_history or sharedHistory: all are the same variant.
        if isinstance(value, str):
            folded = value.replace("_", "").replace("-", "").casefold()
            for member in cls:
                if member.value.casefold() == folded:
                    return member
        return None


class TemporalLayer(WireEnum):
    """How deep in a character an axis lies."""

    TOPSOIL = "Topsoil"
    SEDIMENT = "Sediment"
    BEDROCK = "Bedrock"
    PRIMORDIAL = "Primordial"


class Provenance(WireEnum):
    """Where the value of an axis comes from."""

    AUTHORED = "Authored"
    INFERRED = "Inferred"
    GENERATED = "Generated"
    CONFIRMED = "Confirmed"
    OVERRIDDEN = "Overridden"


class AwarenessLevel(WireEnum):
    """How far a character can name what moves them."""

    ARTICULATE = "Articulate"
    RECOGNIZABLE = "Recognizable"
    PRECONSCIOUS = "Preconscious"
    DEFENDED = "Defended"
    STRUCTURAL = "Structural"


class TopologicalRole(WireEnum):
    """A character's place in the web of relations."""

    GATE = "Gate"
    BRIDGE = "Bridge"
    HUB = "Hub"
    PERIPHERY = "Periphery"


class SceneType(WireEnum):
    """What a scene does in the narrative graph."""

    GRAVITATIONAL = "Gravitational"
    CONNECTIVE = "Connective"
    GATE = "Gate"
    THRESHOLD = "Threshold"


class EventType(WireEnum):
    """What the player did."""

    SPEECH = "Speech"
    ACTION = "Action"
    MOVEMENT = "Movement"
    OBSERVATION = "Observation"
    INTERACTION = "Interaction"
    EMOTE = "Emote"
    INQUIRY = "Inquiry"


class EmotionalRegister(WireEnum):
    """The tone in which the player did it."""

    AGGRESSIVE = "Aggressive"
    VULNERABLE = "Vulnerable"
    PLAYFUL = "Playful"
    GUARDED = "Guarded"
    NEUTRAL = "Neutral"
    TENDER = "Tender"
    INQUISITIVE = "Inquisitive"


class ActionType(WireEnum):
    """What a character does."""

    PERFORM = "Perform"
    SPEAK = "Speak"
    MOVE = "Move"
    EXAMINE = "Examine"
    WAIT = "Wait"
    RESIST = "Resist"


class SpeechRegister(WireEnum):
    """How a character speaks."""

    WHISPER = "Whisper"
    CONVERSATIONAL = "Conversational"
    DECLAMATORY = "Declamatory"
    INTERNAL = "Internal"


class ActionContext(WireEnum):
    """What a character's action answers to."""

    SHARED_HISTORY = "SharedHistory"
    CURRENT_SCENE = "CurrentScene"
    EMOTIONAL_REACTION = "EmotionalReaction"
    RELATIONAL_DYNAMIC = "RelationalDynamic"
    WORLD_RESPONSE = "WorldResponse"


class Primary(WireEnum):
    """Plutchik's eight primary emotions."""

    JOY = "Joy"
    TRUST = "Trust"
    FEAR = "Fear"
    SURPRISE = "Surprise"
    SADNESS = "Sadness"
    DISGUST = "Disgust"
    ANGER = "Anger"
    ANTICIPATION = "Anticipation"


#: Every enum whose order reaches the wire.
WIRE_ENUMS: tuple[type[WireEnum], ...] = (
    TemporalLayer,
    Provenance,
    AwarenessLevel,
    TopologicalRole,
    SceneType,
    EventType,
    EmotionalRegister,
    ActionType,
    SpeechRegister,
    ActionContext,
    Primary,
)
