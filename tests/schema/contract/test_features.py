"""`encode_features` against the rules, float by float and by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from msgspec.structs import replace
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
    WireEnum,
)
from storyteller_schema.contract.features import FEATURES, encode_features
from storyteller_schema.contract.scenario import (
    Axis,
    HistoryEntry,
    PlayerEvent,
    PrimaryState,
    RelationalEdge,
    Scenario,
    Scene,
    SelfEdge,
    SelfTrust,
    Substrate,
)
from strategies import scenarios

SUBSTRATES = ("trust_reliability", "trust_competence", "trust_benevolence", "affection", "debt")


@pytest.fixture
def empty() -> Scenario:
    """Nothing that could be left out, and zero for every number."""
    return Scenario(
        tensor={},
        emotional_state={},
        self_edge=SelfEdge(
            trust=SelfTrust(competence=0, intentions=0, reliability=0),
            affection=0,
            debt=0,
            history_weight=0,
            projection_accuracy=0,
        ),
        scene_context=Scene(scene_type=SceneType.GATE, cast_size=0, tension=0),
        player_event=PlayerEvent(
            event_type=EventType.EMOTE, emotional_register=EmotionalRegister.TENDER, confidence=0, target_count=0
        ),
    )


def named(scenario: Scenario) -> dict[str, float]:
    """The floats that are not zero, by name."""
    values = encode_features(scenario).tolist()
    return {name: value for name, value in zip(FEATURES.float_names, values, strict=True) if value != 0}


def expected_floats(scenario: Scenario) -> dict[str, float]:
    """An independent reading of the rules: what each name should hold, zeros left out."""
    floats: dict[str, float] = {}

    def put(prefix: str, **values: float | WireEnum) -> None:
        for field, value in values.items():
            if isinstance(value, WireEnum):
                floats[f"{prefix}.{field}[{value.value}]"] = 1.0
            else:
                floats[f"{prefix}.{field}"] = float(np.float32(value))

    def put_range(prefix: str, substrate: Substrate) -> None:
        for field in ("central_tendency", "variance", "range_low", "range_high"):
            floats[f"{prefix}.{field}"] = getattr(substrate, field)

    for slot, (_, axis) in enumerate(sorted(scenario.tensor.items(), key=lambda item: item[0].encode())[:16]):
        put_range(f"tensor[{slot}]", axis)
        put(f"tensor[{slot}]", temporal_layer=axis.temporal_layer, provenance=axis.provenance)
    for primary, state in scenario.emotional_state.items():
        put(f"emotional_state[{primary}]", intensity=state.intensity, awareness=state.awareness)
    own = scenario.self_edge
    trust = own.trust
    put("self_edge.trust", competence=trust.competence, intentions=trust.intentions, reliability=trust.reliability)
    put("self_edge", affection=own.affection, debt=own.debt)
    put("self_edge", history_weight=own.history_weight, projection_accuracy=own.projection_accuracy)
    for slot, edge in enumerate(scenario.relational_edges[:5]):
        for substrate in SUBSTRATES:
            put_range(f"relational_edges[{slot}].{substrate}", getattr(edge, substrate))
        role = TopologicalRole.PERIPHERY if edge.topological_role is None else edge.topological_role
        put(f"relational_edges[{slot}]", topological_role=role)
    scene, event = scenario.scene_context, scenario.player_event
    put("scene_context", scene_type=scene.scene_type, cast_size=scene.cast_size, tension=scene.tension)
    put("player_event", event_type=event.event_type, emotional_register=event.emotional_register)
    put("player_event", confidence=event.confidence, target_count=event.target_count)
    for slot, entry in enumerate(list(reversed(scenario.history))[:3]):
        put(f"history[{slot}]", action_type=entry.action_type, speech_register=entry.speech_register)
        put(f"history[{slot}]", awareness=entry.awareness, emotional_valence=entry.emotional_valence)
    return {name: value for name, value in floats.items() if value != 0}


@given(scenarios)
def test_every_float_is_what_the_rules_say(scenario: Scenario) -> None:
    vector = encode_features(scenario)
    assert vector.shape == (453,)
    assert vector.dtype == np.float32
    assert named(scenario) == expected_floats(scenario)


def test_an_empty_scenario_is_zero_but_for_the_two_required_kinds(empty: Scenario) -> None:
    assert named(empty) == {
        "scene_context.scene_type[Gate]": 1.0,
        "player_event.event_type[Emote]": 1.0,
        "player_event.emotional_register[Tender]": 1.0,
    }


def axis(marker: float) -> Axis:
    """An axis that its central tendency tells apart."""
    return Axis(
        central_tendency=marker,
        variance=0,
        range_low=0,
        range_high=0,
        temporal_layer=TemporalLayer.BEDROCK,
        provenance=Provenance.AUTHORED,
    )


def markers(scenario: Scenario, region: str, field: str) -> list[float]:
    """One field in every slot of a region."""
    vector = encode_features(scenario)
    return [float(vector[FEATURES[region].locate(field, slot)][0]) for slot in range(FEATURES[region].slots)]


def test_axes_stand_in_the_order_of_their_utf8_bytes(empty: Scenario) -> None:
    # UTF-16 would put the emoji (a surrogate pair) before U+FFFD; a locale would put Å beside a.
    names = ["", "Z", "a", "a-b", "a_b", "ab", "z", "Å", "\ufffd", "\U0001f600"]
    tensor = {name: axis(position + 1) for position, name in reversed(list(enumerate(names)))}
    scenario = replace(empty, tensor=tensor)
    assert markers(scenario, "tensor", "central_tendency") == [*range(1, 11), 0, 0, 0, 0, 0, 0]


def test_the_first_16_axes_have_a_slot(empty: Scenario) -> None:
    scenario = replace(empty, tensor={f"axis_{number:02}": axis(number) for number in range(20, 0, -1)})
    assert markers(scenario, "tensor", "central_tendency") == list(range(1, 17))


def test_the_first_5_relations_have_a_slot_and_a_missing_role_is_periphery(empty: Scenario) -> None:
    def edge(marker: float, role: TopologicalRole | None) -> RelationalEdge:
        value = Substrate(central_tendency=marker, variance=0, range_low=0, range_high=0)
        return RelationalEdge(
            trust_reliability=value,
            trust_competence=value,
            trust_benevolence=value,
            affection=value,
            debt=value,
            topological_role=role,
        )

    roles = [TopologicalRole.HUB, None, TopologicalRole.PERIPHERY]
    three = replace(empty, relational_edges=[edge(number, role) for number, role in enumerate(roles, start=1)])
    assert markers(three, "relational_edges", "debt.central_tendency") == [1, 2, 3, 0, 0]
    assert named(three).keys() >= {
        "relational_edges[0].topological_role[Hub]",
        "relational_edges[1].topological_role[Periphery]",
        "relational_edges[2].topological_role[Periphery]",
    }
    assert not any(name.startswith("relational_edges[3]") for name in named(three))
    seven = replace(empty, relational_edges=[edge(number, None) for number in range(1, 8)])
    assert markers(seven, "relational_edges", "debt.central_tendency") == [1, 2, 3, 4, 5]


def test_the_newest_3_turns_stand_newest_first(empty: Scenario) -> None:
    def turn(marker: float) -> HistoryEntry:
        return HistoryEntry(
            action_type=ActionType.WAIT,
            speech_register=SpeechRegister.INTERNAL,
            awareness=AwarenessLevel.DEFENDED,
            emotional_valence=marker,
        )

    five = replace(empty, history=[turn(number) for number in range(1, 6)])
    assert markers(five, "history", "emotional_valence") == [5, 4, 3]
    one = replace(empty, history=[turn(1)])
    assert markers(one, "history", "emotional_valence") == [1, 0, 0]


def test_a_primary_that_is_absent_is_an_empty_slot_in_its_own_place(empty: Scenario) -> None:
    anger = PrimaryState(intensity=0.75, awareness=AwarenessLevel.STRUCTURAL)
    added = named(replace(empty, emotional_state={Primary.ANGER: anger})).items() - named(empty).items()
    assert dict(added) == {
        "emotional_state[Anger].intensity": 0.75,
        "emotional_state[Anger].awareness[Structural]": 1.0,
    }


def test_counts_are_plain_floats(empty: Scenario) -> None:
    crowd = replace(empty, scene_context=Scene(scene_type=SceneType.GATE, cast_size=2**24 + 1, tension=0))
    assert named(crowd)["scene_context.cast_size"] == 2**24  # the float32 nearest to it, as Rust's `as f32`
