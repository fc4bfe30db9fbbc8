"""Records check their fields, hold float32, and go through JSON unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import (
    ActionContext,
    ActionType,
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    SceneType,
)
from storyteller_schema.contract.predictions import ActionPrediction, EmotionPrediction, Prediction, SpeechPrediction
from storyteller_schema.contract.record import from_json, to_json
from storyteller_schema.contract.scenario import PlayerEvent, PrimaryState, Scenario, Scene, SelfEdge, SelfTrust
from strategies import predictions, scenarios

SCENE = {"scene_type": "Gate", "cast_size": 3, "tension": 0.25}


@settings(max_examples=50)
@given(scenarios)
def test_a_scenario_goes_through_json_unchanged(scenario: Scenario) -> None:
    assert from_json(Scenario, to_json(scenario)) == scenario


@given(predictions)
def test_a_prediction_goes_through_json_unchanged(prediction: Prediction) -> None:
    assert from_json(Prediction, to_json(prediction)) == prediction


def test_a_number_is_held_as_the_nearest_float32() -> None:
    assert SelfTrust(competence=0.1, intentions=1, reliability=0).competence == 0.10000000149011612


def test_numpys_scalars_are_numbers() -> None:
    scene: Any = {**SCENE, "cast_size": np.int64(3), "tension": np.float32(0.25)}
    assert Scene(**scene) == from_json(Scene, to_json(Scene(**scene)))
    assert type(Scene(**scene).tension) is float


def test_an_enum_may_be_given_by_its_name() -> None:
    scene: Any = {**SCENE, "scene_type": "gate"}
    assert Scene(**scene).scene_type is SceneType.GATE
    assert from_json(Scene, b'{"scene_type": "Gate", "cast_size": 3, "tension": 0.25}') == Scene(**scene)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tension", float("nan"), "Scene.tension is nan; expected a finite number"),
        ("tension", float("-inf"), "Scene.tension is -inf; expected a finite number"),
        ("tension", 1e39, r"Scene.tension is 1e\+39, too large for a float32"),
        pytest.param("tension", 10**400, "too large for a float32", id="huge"),
        ("tension", "0.5", "Scene.tension is '0.5'; expected a number"),
        ("tension", None, "Scene.tension is None; expected a number"),
        ("tension", True, "Scene.tension is True; expected a number"),
        ("cast_size", -1, "Scene.cast_size is -1; expected a whole number from 0 to 4294967295"),
        ("cast_size", 2**32, "expected a whole number from 0 to 4294967295"),
        ("cast_size", 2.0, r"Scene.cast_size is 2\.0; expected a whole number"),
        ("cast_size", True, "Scene.cast_size is True; expected a whole number"),
        (
            "scene_type",
            "Wall",
            "Scene.scene_type is 'Wall'; expected one of Gravitational, Connective, Gate, Threshold",
        ),
        ("scene_type", 2, "Scene.scene_type is 2; expected one of"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_its_field(field: str, value: Any, message: str) -> None:
    scene: Any = {**SCENE, field: value}
    with pytest.raises(StorytellerError, match=message):
        Scene(**scene)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tensor", [], r"Scenario.tensor is \[\]; expected a mapping"),
        ("tensor", {7: None}, "Scenario.tensor key is 7; expected text"),
        ("tensor", {"\ud800": None}, "Scenario.tensor key is .*, which UTF-8 cannot write"),
        ("tensor", {"pride": 0.5}, r"Scenario.tensor\[pride\] is 0.5; expected Axis"),
        ("emotional_state", {"Envy": None}, "Scenario.emotional_state key is 'Envy'; expected one of Joy"),
        ("relational_edges", "ab", "Scenario.relational_edges is 'ab'; expected a list or a tuple"),
        ("relational_edges", [1], r"Scenario.relational_edges\[0\] is 1; expected RelationalEdge"),
        ("self_edge", None, "Scenario.self_edge is None; expected SelfEdge"),
    ],
)
def test_a_value_inside_a_collection_is_refused_with_its_place(field: str, value: Any, message: str) -> None:
    whole: Any = {
        "tensor": {},
        "emotional_state": {Primary.JOY: PrimaryState(intensity=0.5, awareness=AwarenessLevel.DEFENDED)},
        "self_edge": SelfEdge(
            trust=SelfTrust(competence=0, intentions=0, reliability=0),
            affection=0,
            debt=0,
            history_weight=0,
            projection_accuracy=0,
        ),
        "scene_context": Scene(scene_type=SceneType.GATE, cast_size=2, tension=0),
        "player_event": PlayerEvent(
            event_type=EventType.SPEECH, emotional_register=EmotionalRegister.TENDER, confidence=1, target_count=1
        ),
        field: value,
    }
    with pytest.raises(StorytellerError, match=message):
        Scenario(**whole)


def test_a_flag_is_true_or_false() -> None:
    speech: Any = {"occurs": 1, "register": "Whisper", "confidence": 0.5}
    with pytest.raises(StorytellerError, match=r"SpeechPrediction.occurs is 1; expected True or False"):
        SpeechPrediction(**speech)


@pytest.mark.parametrize("delta", [0.0, 0.01, -0.01, float("nan")])
def test_a_delta_that_the_engine_would_drop_is_refused(delta: float) -> None:
    with pytest.raises(StorytellerError, match=r"intensity_delta\[Fear\].*above 0.01.*leave the primary out"):
        EmotionPrediction(intensity_delta={Primary.FEAR: delta})


def test_the_primaries_of_an_emotion_are_held_in_wire_order_and_once() -> None:
    emotion = EmotionPrediction(
        intensity_delta={Primary.ANGER: 0.5, Primary.JOY: 0.25},
        awareness_shift=(Primary.ANGER, Primary.JOY, Primary.ANGER),
    )
    assert list(emotion.intensity_delta) == [Primary.JOY, Primary.ANGER]
    assert emotion.awareness_shift == (Primary.JOY, Primary.ANGER)


def test_a_prediction_may_hold_a_number_that_is_not_finite() -> None:
    action = ActionPrediction(
        type=ActionType.WAIT,
        confidence=float("inf"),
        emotional_valence=0,
        context=ActionContext.CURRENT_SCENE,
    )
    assert action.confidence == float("inf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "Scene as JSON: Input data was truncated"),
        (b"\xff", "Scene as JSON: "),
        (b'{"scene_type": "\xff"}', "Scene as JSON: "),
        (b"[]", "Scene as JSON: Expected `object`, got `array`"),
        (b'{"scene_type": "Gate", "cast_size": 3}', "missing required field `tension`"),
        (b'{"scene_type": "Gate", "cast_size": 3, "tension": 0.5, "mood": 1}', "unknown field `mood`"),
        (b'{"scene_type": "Wall", "cast_size": 3, "tension": 0.5}', r"Invalid enum value 'Wall' - at `\$.scene_type`"),
        (b'{"scene_type": "Gate", "cast_size": "3", "tension": 0.5}', r"Expected `int`, got `str` - at `\$.cast_size`"),
        (b'{"scene_type": "Gate", "cast_size": 3, "tension": 1e39}', "Scene.tension is 1e.39, too large"),
        (b'{"scene_type": "Gate", "cast_size": 3, "tension": NaN}', "Scene as JSON: "),
    ],
)
def test_json_that_is_not_the_record_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(StorytellerError, match=message):
        from_json(Scene, content)
