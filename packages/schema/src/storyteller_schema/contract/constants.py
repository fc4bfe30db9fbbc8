"""The engine's constants under the engine's names, derived from the layouts, and the figures of the decode rules.

The names are those of `feature_schema.rs`, so that a reader of the Rust source finds them here.
"""

from __future__ import annotations

from storyteller_schema.contract.enums import ActionContext, ActionType, AwarenessLevel, Primary, SpeechRegister
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT as BINARY_CUT
from storyteller_schema.contract.rules import DELTA_FLOOR as DELTA_FLOOR

MAX_TENSOR_AXES = FEATURES["tensor"].slots
FEATURES_PER_AXIS = FEATURES["tensor"].per_slot
MAX_EDGES = FEATURES["relational_edges"].slots
FEATURES_PER_EDGE = FEATURES["relational_edges"].per_slot
NUM_PRIMARIES = len(Primary)
FEATURES_PER_PRIMARY = FEATURES["emotional_state"].per_slot
SELF_EDGE_FEATURES = FEATURES["self_edge"].length
SCENE_FEATURES = FEATURES["scene_context"].length
EVENT_FEATURES = FEATURES["player_event"].length
FEATURES_PER_HISTORY = FEATURES["history"].per_slot
HISTORY_DEPTH = FEATURES["history"].slots
TOTAL_INPUT_FEATURES = FEATURES.size
NUM_ACTION_TYPES = len(ActionType)
NUM_ACTION_CONTEXTS = len(ActionContext)
NUM_SPEECH_REGISTERS = len(SpeechRegister)
NUM_AWARENESS_LEVELS = len(AwarenessLevel)
TOTAL_OUTPUT_FEATURES = PREDICTIONS.size

#: Every constant above by its name, for the comparison with the engine's source.
ENGINE_CONSTANTS: dict[str, int] = {
    name: value for name, value in dict(globals()).items() if name.isupper() and isinstance(value, int)
}
