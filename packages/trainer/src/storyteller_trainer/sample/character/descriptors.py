"""The six descriptor files from which character scenarios are drawn, as typed records.

A field that the generator reads is required; a field that only describes (names, prose, tags, tendencies) may be left
out, but has the right type when it is there. Enum values may be spelt `SharedHistory`, `shared_history` or
`sharedHistory`.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct
from storyteller_schema.contract.enums import (
    ActionContext,
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


class Range(Struct, frozen=True, kw_only=True):
    """The ends between which a value is drawn uniformly."""

    min: float
    max: float


class DescribedAxis(Struct, frozen=True, kw_only=True):
    """One personality axis that an archetype may have."""

    id: str
    display_name: str = ""
    description: str = ""
    typical_layer: TemporalLayer | None = None
    category: str = ""
    tags: tuple[str, ...] = ()


class ArchetypeAxis(Struct, frozen=True, kw_only=True):
    """Where the members of an archetype stand on one axis."""

    axis_id: str
    central_tendency: Range
    variance: Range
    range_low: Range
    range_high: Range
    layer: TemporalLayer
    provenance: Provenance


class PrimaryEmotion(Struct, frozen=True, kw_only=True):
    """How strongly an emotion is felt, and how far it can be named."""

    primary_id: Primary
    intensity: Range
    awareness: AwarenessLevel


class EmotionalProfile(Struct, frozen=True, kw_only=True):
    """The emotions an archetype carries; a primary that is not listed has no intensity and no awareness."""

    grammar_id: str = ""
    primaries: tuple[PrimaryEmotion, ...]


class SelfEdgeRanges(Struct, frozen=True, kw_only=True):
    """An archetype's relation to themselves."""

    trust_competence: Range
    trust_intentions: Range
    trust_reliability: Range
    affection: Range
    debt: Range
    history_weight: Range
    projection_accuracy: Range


class ActionTendencies(Struct, frozen=True, kw_only=True):
    """What an archetype is inclined to do. For the reader: the label rules do not use it."""

    primary_action_types: tuple[ActionType, ...] = ()
    primary_action_contexts: tuple[ActionContext, ...] = ()
    speech_likelihood: float | None = None
    speech_registers: tuple[SpeechRegister, ...] = ()
    default_awareness: AwarenessLevel | None = None


class Archetype(Struct, frozen=True, kw_only=True):
    """A kind of person."""

    id: str
    display_name: str = ""
    description: str = ""
    axes: tuple[ArchetypeAxis, ...]
    default_emotional_profile: EmotionalProfile
    default_self_edge: SelfEdgeRanges
    action_tendencies: ActionTendencies | None = None


class Edge(Struct, frozen=True, kw_only=True):
    """What one character holds of another."""

    trust_reliability: Range
    trust_competence: Range
    trust_benevolence: Range
    affection: Range
    debt: Range


class Dynamic(Struct, frozen=True, kw_only=True):
    """What lies between two characters. Only `edge_a_to_b` and the two roles reach the features."""

    id: str
    display_name: str = ""
    description: str = ""
    role_a: str = ""
    role_b: str = ""
    edge_a_to_b: Edge
    edge_b_to_a: Edge | None = None
    topology_a: TopologicalRole
    topology_b: TopologicalRole


class CharacteristicEvent(Struct, frozen=True, kw_only=True):
    """Something the player is likely to do in a scene; weights are relative."""

    event_type: EventType
    emotional_register: EmotionalRegister
    weight: float


class Profile(Struct, frozen=True, kw_only=True):
    """A kind of scene."""

    id: str
    display_name: str = ""
    description: str = ""
    scene_type: SceneType
    tension: Range
    cast_size: Range
    characteristic_events: tuple[CharacteristicEvent, ...]


class Exclusion(Struct, frozen=True, kw_only=True):
    """A combination that a genre rules out: a cell is excluded when everything named here is in it."""

    archetype: str | None = None
    dynamic: str | None = None
    profile: str | None = None
    reason: str = ""


class Genre(Struct, frozen=True, kw_only=True):
    """Which people, relations and scenes belong together."""

    id: str
    display_name: str = ""
    description: str = ""
    valid_archetypes: tuple[str, ...]
    valid_dynamics: tuple[str, ...]
    valid_profiles: tuple[str, ...]
    excluded_combinations: tuple[Exclusion, ...] = ()


class AxisModifier(Struct, frozen=True, kw_only=True):
    """Added to the central tendency of an axis; nothing happens to an archetype without that axis."""

    axis_id: str
    additive: float


class DimensionValue(Struct, frozen=True, kw_only=True):
    """One value of a cross-dimension. `enables_primordial` is the engine's; the generator does not use it."""

    id: str
    display_name: str = ""
    axis_modifiers: tuple[AxisModifier, ...] = ()
    enables_primordial: bool = False


class Dimension(Struct, frozen=True, kw_only=True):
    """Something that cuts across all archetypes, such as age; every character has one of its values."""

    id: str
    display_name: str = ""
    values: tuple[DimensionValue, ...]


class Descriptors(Struct, frozen=True, kw_only=True):
    """A whole descriptor set: what the six files say."""

    axes: tuple[DescribedAxis, ...]
    archetypes: tuple[Archetype, ...]
    dynamics: tuple[Dynamic, ...]
    profiles: tuple[Profile, ...]
    genres: tuple[Genre, ...]
    dimensions: tuple[Dimension, ...]

    #: File name to the one key that it holds, which is also the field here.
    FILES: ClassVar[dict[str, str]] = {
        "axis-vocabulary.json": "axes",
        "archetypes.json": "archetypes",
        "dynamics.json": "dynamics",
        "profiles.json": "profiles",
        "genres.json": "genres",
        "cross-dimensions.json": "dimensions",
    }
