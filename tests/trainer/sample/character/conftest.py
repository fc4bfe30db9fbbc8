"""A descriptor set whose ranges are single points."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scenarios import make_scenario
from storyteller_schema.contract.enums import (
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    Provenance,
    SceneType,
    TemporalLayer,
    TopologicalRole,
)
from storyteller_trainer.sample.character.descriptors import (
    Archetype,
    ArchetypeAxis,
    AxisModifier,
    CharacteristicEvent,
    DescribedAxis,
    Descriptors,
    Dimension,
    DimensionValue,
    Dynamic,
    Edge,
    EmotionalProfile,
    Genre,
    PrimaryEmotion,
    Profile,
    Range,
    SelfEdgeRanges,
)
from storyteller_trainer.sample.character.scenarios import Scenarios


def at(value: float) -> Range:
    """A range that allows one value."""
    return Range(min=value, max=value)


def axis(name: str, central: float, low: float, high: float) -> ArchetypeAxis:
    return ArchetypeAxis(
        axis_id=name,
        central_tendency=at(central),
        variance=at(0.1),
        range_low=at(low),
        range_high=at(high),
        layer=TemporalLayer.BEDROCK,
        provenance=Provenance.CONFIRMED,
    )


def archetype(name: str, *axes: ArchetypeAxis) -> Archetype:
    primaries = (
        PrimaryEmotion(primary_id=Primary.ANGER, intensity=at(0.5), awareness=AwarenessLevel.STRUCTURAL),
        PrimaryEmotion(primary_id=Primary.JOY, intensity=at(1.25), awareness=AwarenessLevel.DEFENDED),
        PrimaryEmotion(primary_id=Primary.FEAR, intensity=at(-0.25), awareness=AwarenessLevel.ARTICULATE),
    )
    return Archetype(
        id=name,
        axes=axes,
        default_emotional_profile=EmotionalProfile(primaries=primaries),
        default_self_edge=SelfEdgeRanges(
            trust_competence=at(0.1),
            trust_intentions=at(0.2),
            trust_reliability=at(0.3),
            affection=at(0.4),
            debt=at(-0.5),
            history_weight=at(1.5),
            projection_accuracy=at(0.7),
        ),
    )


@pytest.fixture
def world() -> Descriptors:
    """Two archetypes, one dynamic, one profile: four cells, in which everything but the labels is certain."""
    older = DimensionValue(
        id="older",
        axis_modifiers=(
            AxisModifier(axis_id="zeal", additive=0.75),
            AxisModifier(axis_id="calm", additive=-0.25),
            AxisModifier(axis_id="empathy", additive=0.5),
        ),
    )
    edge = Edge(
        trust_reliability=at(0.9),
        trust_competence=at(-0.9),
        trust_benevolence=at(0.6),
        affection=at(0.25),
        debt=at(1.5),
    )
    return Descriptors(
        axes=tuple(DescribedAxis(id=name) for name in ("zeal", "calm", "empathy")),
        # Given out of order; the range of zeal lies beside its central tendency on purpose.
        archetypes=(
            archetype("smith", axis("zeal", 0.5, 0.75, 0.25), axis("calm", 0.125, -0.5, 0.5)),
            archetype("witch", axis("empathy", 0.25, 0.0, 0.5)),
        ),
        dynamics=(
            Dynamic(
                id="feud",
                edge_a_to_b=edge,
                topology_a=TopologicalRole.HUB,
                topology_b=TopologicalRole.GATE,
            ),
        ),
        profiles=(
            Profile(
                id="feast",
                scene_type=SceneType.THRESHOLD,
                tension=at(1.75),
                cast_size=at(2.5),
                characteristic_events=(
                    CharacteristicEvent(
                        event_type=EventType.EMOTE, emotional_register=EmotionalRegister.PLAYFUL, weight=0
                    ),
                    CharacteristicEvent(
                        event_type=EventType.SPEECH, emotional_register=EmotionalRegister.TENDER, weight=2
                    ),
                ),
            ),
        ),
        genres=(
            Genre(
                id="low_fantasy_folklore",
                valid_archetypes=("smith", "witch"),
                valid_dynamics=("feud",),
                valid_profiles=("feast",),
            ),
        ),
        dimensions=(Dimension(id="age", values=(older,)),),
    )


@pytest.fixture
def scenario() -> Callable[..., Scenarios]:
    """`make_scenario`, as a fixture."""
    return make_scenario
