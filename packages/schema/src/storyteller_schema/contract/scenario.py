"""What the engine knows when it predicts a character: the typed form of the inputs."""

from __future__ import annotations

from storyteller_schema.contract.enums import (
    ActionType,
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    Provenance,
    SceneType,
    SpeechRegister,
    TemporalLayer,
    TopologicalRole,
)
from storyteller_schema.contract.record import Record


class Substrate(Record, frozen=True, kw_only=True):
    """A value with its spread and the range it is plausible in."""

    central_tendency: float
    variance: float
    range_low: float
    range_high: float


class Axis(Substrate, frozen=True, kw_only=True):
    """One axis of a personality."""

    temporal_layer: TemporalLayer
    provenance: Provenance


class PrimaryState(Record, frozen=True, kw_only=True):
    """How strongly a primary emotion is felt, and how aware of it the character is."""

    intensity: float
    awareness: AwarenessLevel


class SelfTrust(Record, frozen=True, kw_only=True):
    """How far a character trusts themselves."""

    competence: float
    intentions: float
    reliability: float


class SelfEdge(Record, frozen=True, kw_only=True):
    """A character's relation to themselves."""

    trust: SelfTrust
    affection: float
    debt: float
    history_weight: float
    projection_accuracy: float


class RelationalEdge(Record, frozen=True, kw_only=True):
    """A character's relation to another."""

    trust_reliability: Substrate
    trust_competence: Substrate
    trust_benevolence: Substrate
    affection: Substrate
    debt: Substrate
    #: The OTHER character's place in the web of relations; None counts as Periphery.
    topological_role: TopologicalRole | None = None


class Scene(Record, frozen=True, kw_only=True):
    """The scene in which the character is."""

    scene_type: SceneType
    cast_size: int
    tension: float


class PlayerEvent(Record, frozen=True, kw_only=True):
    """What the player just did."""

    event_type: EventType
    emotional_register: EmotionalRegister
    confidence: float
    target_count: int


class HistoryEntry(Record, frozen=True, kw_only=True):
    """What was predicted for the character at an earlier turn."""

    action_type: ActionType
    speech_register: SpeechRegister
    awareness: AwarenessLevel
    emotional_valence: float


class Scenario(Record, frozen=True, kw_only=True):
    """Everything that one prediction is made from. `encode_features` says what of it reaches the wire."""

    #: Personality axes by name, any number in any order.
    tensor: dict[str, Axis]
    #: Plutchik primaries; one that is absent is an empty slot.
    emotional_state: dict[Primary, PrimaryState]
    self_edge: SelfEdge
    #: Relations to other characters, the most important first.
    relational_edges: tuple[RelationalEdge, ...] = ()
    scene_context: Scene
    player_event: PlayerEvent
    #: Earlier turns, the oldest first.
    history: tuple[HistoryEntry, ...] = ()
