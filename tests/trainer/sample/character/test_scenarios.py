"""Scenarios: every rule of how features are drawn."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from storyteller_schema.contract import scenario as typed
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
from storyteller_schema.contract.features import EDGE_SUBSTRATES, FEATURES, encode_features
from storyteller_trainer.character.data.violations import violations
from storyteller_trainer.character.rules.array_views import Float32, choose, feature, slots_of, uniform
from storyteller_trainer.character.rules.conditionals import conditionals
from storyteller_trainer.sample.character.cells import valid_cells
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptors import (
    ArchetypeAxis,
    AxisModifier,
    DescribedAxis,
    Descriptors,
    Dimension,
    DimensionValue,
    Range,
)
from storyteller_trainer.sample.character.labels import draw_labels
from storyteller_trainer.sample.character.scenarios import Scenarios, draw_scenarios
from storyteller_trainer.sample.character.synthetic import random_descriptors


def draw(descriptors: Descriptors, n: int, seed: int = 0) -> Scenarios:
    """Scenarios of n cells, all cells in turn."""
    cells = valid_cells(descriptors, descriptors.genres[0])
    rng = np.random.default_rng(seed)
    return draw_scenarios(Tables.of(descriptors), cells.take(np.arange(n) % len(cells)), rng)


def substrate(central: float, low: float, high: float) -> typed.Substrate:
    return typed.Substrate(central_tendency=central, variance=0.15, range_low=low, range_high=high)


@pytest.mark.parametrize(("cell", "other_role"), [(0, TopologicalRole.GATE), (1, TopologicalRole.HUB)])
def test_a_scenario_without_chance_equals_the_one_encoded_by_hand(
    world: Descriptors, cell: int, other_role: TopologicalRole
) -> None:
    """The smith meets the witch: cell 0 has the smith play role_a, cell 1 role_b."""
    drawn = draw(world, 4).features[cell].copy()

    def axis(central: float, low: float, high: float) -> typed.Axis:
        return typed.Axis(
            central_tendency=central,
            variance=0.1,
            range_low=low,
            range_high=high,
            temporal_layer=TemporalLayer.BEDROCK,
            provenance=Provenance.CONFIRMED,
        )

    confidence = feature(drawn[None], "player_event.confidence")[0, 0]
    expected = encode_features(
        typed.Scenario(
            tensor={
                # The range is widened to hold the central tendency as drawn (0.5), which then moves to 1.25, clamped.
                "zeal": axis(1.0, 0.5, 0.5),
                "calm": axis(-0.125, -0.5, 0.5),
            },
            emotional_state={
                Primary.ANGER: typed.PrimaryState(intensity=0.5, awareness=AwarenessLevel.STRUCTURAL),
                Primary.JOY: typed.PrimaryState(intensity=1.0, awareness=AwarenessLevel.DEFENDED),
                Primary.FEAR: typed.PrimaryState(intensity=0.0, awareness=AwarenessLevel.ARTICULATE),
            },
            self_edge=typed.SelfEdge(
                trust=typed.SelfTrust(competence=0.1, intentions=0.2, reliability=0.3),
                affection=0.4,
                debt=0.0,
                history_weight=1.0,
                projection_accuracy=0.7,
            ),
            relational_edges=(
                typed.RelationalEdge(
                    trust_reliability=substrate(0.9, 0.675, 1.0),
                    trust_competence=substrate(-0.9, -1.0, -0.675),
                    trust_benevolence=substrate(0.6, 0.375, 0.825),
                    affection=substrate(0.25, 0.025, 0.475),
                    debt=substrate(1.5, 1.0, 1.0),
                    topological_role=other_role,
                ),
            ),
            scene_context=typed.Scene(scene_type=SceneType.THRESHOLD, cast_size=3, tension=1.0),
            player_event=typed.PlayerEvent(
                event_type=EventType.SPEECH,
                emotional_register=EmotionalRegister.TENDER,
                confidence=float(confidence),
                target_count=1,
            ),
        )
    )
    assert drawn == pytest.approx(expected, abs=1e-6)


def test_axes_that_label_rules_read_come_with_their_values(world: Descriptors) -> None:
    axes = draw(world, 4).axes
    # The witch's empathy is 0.25 and has 0.5 added; the smith has none, and nobody has the others.
    assert axes["empathy"].tolist() == [0, 0, 0.75, 0.75]
    assert axes["self_awareness"].tolist() == [0.5] * 4
    for name in ("distance_management", "warmth_openness", "expression_silence"):
        assert axes[name].tolist() == [0] * 4


def test_an_axis_beyond_the_sixteenth_is_not_encoded_but_still_read(world: Descriptors) -> None:
    def point(value: float) -> Range:
        return Range(min=value, max=value)

    def plain(name: str, value: float) -> ArchetypeAxis:
        return ArchetypeAxis(
            axis_id=name,
            central_tendency=point(value),
            variance=point(0),
            range_low=point(-1),
            range_high=point(1),
            layer=TemporalLayer.TOPSOIL,
            provenance=Provenance.AUTHORED,
        )

    names = [f"a{i:02}" for i in range(16)]
    axes = (plain("warmth_openness", 0.75), *(plain(name, 0.25) for name in reversed(names)))
    smith = msgspec.structs.replace(world.archetypes[0], axes=axes)
    crowded = msgspec.structs.replace(
        world,
        axes=tuple(DescribedAxis(id=name) for name in (*names, "warmth_openness", "empathy")),
        archetypes=(smith, world.archetypes[1]),
        dimensions=(),
    )
    scenarios = draw(crowded, 1)
    assert np.all(feature(scenarios.features, "tensor.central_tendency", 15) == 0.25)
    assert 0.75 not in slots_of(scenarios.features, "tensor")
    assert scenarios.axes["warmth_openness"].tolist() == [0.75]


def test_one_value_of_each_dimension_is_added_and_clamped_in_turn(world: Descriptors) -> None:
    def dimension(name: str, *additive: float) -> Dimension:
        return Dimension(
            id=name,
            values=tuple(
                DimensionValue(id=str(i), axis_modifiers=(AxisModifier(axis_id="empathy", additive=value),))
                for i, value in enumerate(additive)
            ),
        )

    # The witch's empathy is 0.25; 0.25 + 1 is clamped to 1 before 0.5 is taken away.
    several = msgspec.structs.replace(world, dimensions=(dimension("one", 1.0, -0.25), dimension("two", -0.5)))
    values = draw(several, 400).axes["empathy"][2::4]
    assert set(values.tolist()) <= {0.5, -0.5, 0.0}
    assert set(draw(several, 4000).axes["empathy"].tolist()) == {0.0, 0.5, -0.5}


def check_layout(features: Float32) -> None:
    assert features.dtype == np.float32
    assert np.all(np.isfinite(features))
    assert not features[:, FEATURES["history"].span].any()
    edges = slots_of(features, "relational_edges")
    assert not edges[:, 1:].any()
    for name in EDGE_SUBSTRATES:
        within = FEATURES["relational_edges"].within_slot
        central = edges[:, 0, within(f"{name}.central_tendency")]
        low = edges[:, 0, within(f"{name}.range_low")]
        high = edges[:, 0, within(f"{name}.range_high")]
        assert np.all(edges[:, 0, within(f"{name}.variance")] == np.float32(0.15))
        assert low == pytest.approx(np.clip(central - 0.225, -1, 1), abs=1e-6)
        assert high == pytest.approx(np.clip(central + 0.225, -1, 1), abs=1e-6)
    intensities = slots_of(features, "emotional_state")[..., 0]
    assert np.all((intensities >= 0) & (intensities <= 1))
    confidence = feature(features, "player_event.confidence")
    assert np.all((confidence >= np.float32(0.7)) & (confidence <= np.float32(0.95)))
    assert np.all(feature(features, "player_event.target_count") == 1)
    cast = feature(features, "scene_context.cast_size")
    assert np.all((cast == np.round(cast)) & (cast >= 2))
    tension = feature(features, "scene_context.tension")
    assert np.all((tension >= 0) & (tension <= 1))


@pytest.mark.parametrize("seed", range(5))
def test_features_of_any_world_are_well_formed(seed: int) -> None:
    scenarios = draw(random_descriptors(seed), 2000, seed)
    labels = draw_labels(conditionals(scenarios.features, scenarios.axes), np.random.default_rng(seed))
    check_layout(scenarios.features)
    assert list(violations(scenarios.features, labels)) == []


def test_axes_stand_in_the_order_of_their_names_and_within_their_ranges() -> None:
    descriptors = msgspec.structs.replace(random_descriptors(3), dimensions=())
    cells = valid_cells(descriptors, descriptors.genres[0])
    cells = cells.take(np.random.default_rng(0).permutation(len(cells))[:3000])
    tensor = slots_of(draw_scenarios(Tables.of(descriptors), cells, np.random.default_rng(0)).features, "tensor")
    for a, archetype in enumerate(descriptors.archetypes):
        rows = tensor[cells.archetype_a == a]
        axes = sorted(archetype.axes, key=lambda axis: axis.axis_id)
        assert not rows[:, len(axes) :].any()
        for slot, axis in enumerate(axes):
            central, variance, low, high = rows[:, slot, :4].T
            for values, ends in ((central, axis.central_tendency), (variance, axis.variance)):
                assert values.min() >= np.float32(ends.min)
                assert values.max() <= np.float32(ends.max)
                assert np.ptp(values) > 0.8 * (ends.max - ends.min)
            assert np.all(low <= central)
            assert np.all(central <= high)
            assert low.min() >= np.float32(min(axis.range_low.min, axis.central_tendency.min))
            assert np.all(rows[:, slot, 4 + axis.layer.position] == 1)
            assert np.all(rows[:, slot, 8 + axis.provenance.position] == 1)


def test_uniform_draws_fill_their_range_and_stay_inside() -> None:
    ends = np.broadcast_to(np.array([[-0.1, 0.3]], np.float32), (50_000, 2))
    draws = uniform(np.random.default_rng(0), ends)
    assert draws.dtype == np.float32
    assert np.float32(-0.1) <= draws.min() < -0.0999
    assert 0.2999 < draws.max() <= np.float32(0.3)
    assert draws.mean() == pytest.approx(0.1, abs=0.002)
    assert draws.var() == pytest.approx(0.4**2 / 12, rel=0.02)


def test_choices_follow_their_weights_and_never_land_on_a_weight_of_zero() -> None:
    weights = np.tile([0.0, 3.0, 1.0, 0.0], (40_000, 1))
    picked = np.bincount(choose(np.random.default_rng(0), weights), minlength=4) / len(weights)
    assert picked[[0, 3]].tolist() == [0, 0]
    assert picked[1] == pytest.approx(0.75, abs=0.01)


def test_events_follow_the_weights_of_their_profile() -> None:
    descriptors = random_descriptors(1)
    tables = Tables.of(descriptors)
    cells = valid_cells(descriptors, descriptors.genres[0])
    in_first = cells.take(np.flatnonzero(cells.profile == 0)[np.zeros(30_000, np.intp)])
    features = draw_scenarios(tables, in_first, np.random.default_rng(0)).features
    events = descriptors.profiles[0].characteristic_events
    total = sum(event.weight for event in events)
    for event_type in EventType:
        share = sum(event.weight for event in events if event.event_type is event_type) / total
        found = feature(features, "player_event.event_type")[:, event_type.position].mean()
        assert found == pytest.approx(share, abs=0.012)
