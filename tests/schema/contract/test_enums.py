"""The engine's enums: their order is the wire order."""

from __future__ import annotations

import copy
import pickle

import pytest
from storyteller_schema.contract.enums import WIRE_ENUMS, ActionContext, WireEnum


def test_the_members_stand_in_the_engines_order() -> None:
    assert {enum.__name__: " ".join(enum.labels()) for enum in WIRE_ENUMS} == {
        "TemporalLayer": "Topsoil Sediment Bedrock Primordial",
        "Provenance": "Authored Inferred Generated Confirmed Overridden",
        "AwarenessLevel": "Articulate Recognizable Preconscious Defended Structural",
        "TopologicalRole": "Gate Bridge Hub Periphery",
        "SceneType": "Gravitational Connective Gate Threshold",
        "EventType": "Speech Action Movement Observation Interaction Emote Inquiry",
        "EmotionalRegister": "Aggressive Vulnerable Playful Guarded Neutral Tender Inquisitive",
        "ActionType": "Perform Speak Move Examine Wait Resist",
        "SpeechRegister": "Whisper Conversational Declamatory Internal",
        "ActionContext": "SharedHistory CurrentScene EmotionalReaction RelationalDynamic WorldResponse",
        "Primary": "Joy Trust Fear Surprise Sadness Disgust Anger Anticipation",
    }


@pytest.mark.parametrize("enum", WIRE_ENUMS, ids=lambda enum: enum.__name__)
def test_position_one_hot_and_at_agree(enum: type[WireEnum]) -> None:
    for position, member in enumerate(enum):
        assert member.position == position
        assert enum.at(position) is member
        assert member.one_hot == [float(index == position) for index in range(len(enum))]
        assert copy.deepcopy(member) is member
        assert pickle.loads(pickle.dumps(member)) is member  # noqa: S301 - worker processes of a data loader do this


@pytest.mark.parametrize("spelling", ["SharedHistory", "shared_history", "sharedHistory", "SHARED_HISTORY"])
def test_a_variant_is_found_under_each_of_serdes_spellings(spelling: str) -> None:
    assert ActionContext(spelling) is ActionContext.SHARED_HISTORY


@pytest.mark.parametrize("spelling", ["History", "", "Shared History"])
def test_an_unknown_variant_is_refused(spelling: str) -> None:
    with pytest.raises(ValueError, match="is not a valid ActionContext"):
        ActionContext(spelling)
