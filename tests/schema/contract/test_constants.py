"""The engine's constants, as literals: a change of the layout that moves one of them must be meant."""

from __future__ import annotations

from storyteller_schema.contract import constants


def test_the_engines_constants_have_the_engines_values() -> None:
    assert constants.ENGINE_CONSTANTS == {
        "MAX_TENSOR_AXES": 16,
        "FEATURES_PER_AXIS": 13,
        "MAX_EDGES": 5,
        "FEATURES_PER_EDGE": 24,
        "NUM_PRIMARIES": 8,
        "FEATURES_PER_PRIMARY": 6,
        "SELF_EDGE_FEATURES": 7,
        "SCENE_FEATURES": 6,
        "EVENT_FEATURES": 16,
        "FEATURES_PER_HISTORY": 16,
        "HISTORY_DEPTH": 3,
        "TOTAL_INPUT_FEATURES": 453,
        "NUM_ACTION_TYPES": 6,
        "NUM_ACTION_CONTEXTS": 5,
        "NUM_SPEECH_REGISTERS": 4,
        "NUM_AWARENESS_LEVELS": 5,
        "TOTAL_OUTPUT_FEATURES": 42,
    }


def test_every_constant_is_importable_under_its_own_name() -> None:
    for name, value in constants.ENGINE_CONSTANTS.items():
        assert getattr(constants, name) == value


def test_the_decode_rules() -> None:
    assert constants.BINARY_CUT == 0.5
    assert constants.DELTA_FLOOR == 0.01
