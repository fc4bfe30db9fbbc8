"""The label rules: given the features of a scenario and the axes behind them, the probability of each label.

Labels are drawn from these, and the irreducible loss is computed from the same, so the two cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from storyteller_schema.contract.enums import (
    ActionContext,
    ActionType,
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    SpeechRegister,
    WireEnum,
)
from storyteller_schema.contract.rules import last_argmax

from storyteller_trainer.character.rules.array_views import Bool, Float32, Float64, Int, feature, slots_of

#: Uniform noise on the emotional valence reaches this far to either side.
VALENCE_NOISE = 0.1
#: The confidences of action and speech are uniform between these.
CONFIDENCE = (0.5, 0.9)
#: What an event adds to the intensity of an emotion that it raises, uniform; and what it takes from one it lowers.
RAISED_BY = (0.05, 0.25)
LOWERED_BY = (0.05, 0.15)
#: An emotion raised by more than this becomes more conscious, with this probability.
SHIFT_ABOVE = 0.15
SHIFT_PROBABILITY = 0.2

#: A thought is at the first of these levels whose bound the axis self_awareness lies above, else Defended.
AWARENESS_ABOVE: dict[AwarenessLevel, float] = {
    AwarenessLevel.ARTICULATE: 0.7,
    AwarenessLevel.RECOGNIZABLE: 0.5,
    AwarenessLevel.PRECONSCIOUS: 0.3,
}

HIGH_TENSION = 0.7
LOW_TENSION = 0.3

#: Every action type and every context starts at weight 1; these are added.
ACTION_BY_EVENT: dict[EventType, dict[ActionType, float]] = {
    EventType.SPEECH: {ActionType.SPEAK: 2},
    EventType.ACTION: {ActionType.PERFORM: 2},
    EventType.MOVEMENT: {ActionType.MOVE: 2},
    EventType.OBSERVATION: {ActionType.EXAMINE: 2},
    EventType.INTERACTION: {ActionType.PERFORM: 1},
    EventType.EMOTE: {ActionType.WAIT: 1},
    EventType.INQUIRY: {ActionType.EXAMINE: 1.5},
}
ACTION_BY_REGISTER: dict[EmotionalRegister, dict[ActionType, float]] = {
    EmotionalRegister.AGGRESSIVE: {ActionType.RESIST: 1.5, ActionType.SPEAK: 1},
    EmotionalRegister.VULNERABLE: {ActionType.SPEAK: 1, ActionType.WAIT: 0.5},
    EmotionalRegister.TENDER: {ActionType.SPEAK: 1.5, ActionType.PERFORM: 0.5},
    EmotionalRegister.GUARDED: {ActionType.WAIT: 1, ActionType.EXAMINE: 1},
    EmotionalRegister.INQUISITIVE: {ActionType.EXAMINE: 1.5, ActionType.SPEAK: 1},
}
ACTION_IN_HIGH_TENSION: dict[ActionType, float] = {ActionType.RESIST: 1, ActionType.MOVE: 0.5}
ACTION_IN_LOW_TENSION: dict[ActionType, float] = {ActionType.WAIT: 1, ActionType.EXAMINE: 0.5}
#: An axis above 0.6 adds these.
ACTION_BY_AXIS: dict[str, dict[ActionType, float]] = {
    "empathy": {ActionType.SPEAK: 1},
    "distance_management": {ActionType.WAIT: 1},
}
AXIS_ABOVE = 0.6

CONTEXT_BY_REGISTER: dict[EmotionalRegister, dict[ActionContext, float]] = {
    EmotionalRegister.AGGRESSIVE: {ActionContext.EMOTIONAL_REACTION: 2},
    EmotionalRegister.VULNERABLE: {ActionContext.EMOTIONAL_REACTION: 1.5},
    EmotionalRegister.PLAYFUL: {ActionContext.CURRENT_SCENE: 1},
    EmotionalRegister.GUARDED: {ActionContext.CURRENT_SCENE: 1},
    EmotionalRegister.NEUTRAL: {ActionContext.CURRENT_SCENE: 1},
    EmotionalRegister.TENDER: {ActionContext.RELATIONAL_DYNAMIC: 1.5},
    EmotionalRegister.INQUISITIVE: {ActionContext.CURRENT_SCENE: 1.5},
}
#: Benevolence above 0.5 adds this.
CONTEXT_OF_BENEVOLENCE: dict[ActionContext, float] = {ActionContext.SHARED_HISTORY: 1}
BENEVOLENCE_ABOVE = 0.5

VALENCE_BY_REGISTER: dict[EmotionalRegister, float] = {
    EmotionalRegister.AGGRESSIVE: -0.3,
    EmotionalRegister.VULNERABLE: 0.1,
    EmotionalRegister.PLAYFUL: 0.3,
    EmotionalRegister.GUARDED: -0.1,
    EmotionalRegister.NEUTRAL: 0,
    EmotionalRegister.TENDER: 0.4,
    EmotionalRegister.INQUISITIVE: 0.1,
}
VALENCE_PER_WARMTH = 0.2

SPEECH_BY_EVENT: dict[EventType, float] = dict.fromkeys(EventType, 0.5) | {
    EventType.SPEECH: 0.8,
    EventType.EMOTE: 0.3,
    EventType.OBSERVATION: 0.4,
}
SPEECH_PER_EXPRESSION = 0.2
#: In high tension Declamatory, in low tension Whisper, has this probability; the rest is Conversational.
MARKED_REGISTER = 0.4

RAISED: dict[EmotionalRegister, tuple[Primary, ...]] = {
    EmotionalRegister.AGGRESSIVE: (Primary.ANGER,),
    EmotionalRegister.VULNERABLE: (Primary.TRUST,),
    EmotionalRegister.TENDER: (Primary.JOY, Primary.TRUST),
    EmotionalRegister.PLAYFUL: (Primary.JOY, Primary.SURPRISE),
    EmotionalRegister.GUARDED: (Primary.FEAR,),
    EmotionalRegister.INQUISITIVE: (Primary.SURPRISE, Primary.ANTICIPATION),
}
#: No register lowers an emotion that it also raises.
LOWERED: dict[EmotionalRegister, tuple[Primary, ...]] = {
    EmotionalRegister.AGGRESSIVE: (Primary.TRUST,),
    EmotionalRegister.VULNERABLE: (Primary.FEAR,),
    EmotionalRegister.GUARDED: (Primary.JOY,),
}

#: Classes and numbers that no label of the engine's own data has.
NEVER_DRAWN = frozenset(
    {
        "action.target_index",
        "speech.register[Internal]",
        "thought.awareness[Structural]",
        *(f"emotion.intensity_delta[{primary}]" for primary in ("Sadness", "Disgust")),
        *(f"emotion.awareness_shift[{primary}]" for primary in ("Sadness", "Disgust")),
    }
)

R = TypeVar("R", bound=WireEnum)
C = TypeVar("C", bound=WireEnum)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditionals:
    """What n scenarios say about their labels."""

    #: [n, 6] probabilities.
    action_type: Float64
    #: [n, 5] probabilities.
    action_context: Float64
    #: [n]: the emotional valence before its noise, and before it is clamped to [-1, 1].
    valence: Float32
    #: [n] probabilities.
    speech_occurs: Float64
    #: [n, 4] probabilities.
    speech_register: Float64
    #: [n]: position of the AwarenessLevel, which is certain.
    awareness: Int
    #: [n]: position of the dominant primary, which is certain.
    dominant: Int
    #: [n, 8]: which primaries the event raises.
    raised: Bool
    #: [n, 8]: which primaries the event lowers.
    lowered: Bool


def conditionals(features: Float32, axes: Mapping[str, Float32]) -> Conditionals:
    """Applies the label rules to n scenarios. Comparisons are made in float32, as the values are.

    Args:
        features: [n, inputs].
        axes: for each axis that the rules read (axes.py) its value [n].
    """
    event = feature(features, "player_event.event_type")
    register = feature(features, "player_event.emotional_register")
    tension = feature(features, "scene_context.tension")[:, 0]
    benevolence = feature(features, "relational_edges.trust_benevolence.central_tendency")[:, 0]
    high, low = tension > HIGH_TENSION, tension < LOW_TENSION

    types = 1 + event @ _matrix(EventType, ActionType, ACTION_BY_EVENT)
    types += register @ _matrix(EmotionalRegister, ActionType, ACTION_BY_REGISTER)
    types += high[:, None] * _row(ActionType, ACTION_IN_HIGH_TENSION)
    types += low[:, None] * _row(ActionType, ACTION_IN_LOW_TENSION)
    for axis, added in ACTION_BY_AXIS.items():
        types += (axes[axis] > AXIS_ABOVE)[:, None] * _row(ActionType, added)
    contexts = 1 + register @ _matrix(EmotionalRegister, ActionContext, CONTEXT_BY_REGISTER)
    contexts += (benevolence > BENEVOLENCE_ABOVE)[:, None] * _row(ActionContext, CONTEXT_OF_BENEVOLENCE)

    speaks = event @ _row(EventType, SPEECH_BY_EVENT) + SPEECH_PER_EXPRESSION * axes["expression_silence"]
    registers = np.zeros((len(features), len(SpeechRegister)))
    registers[high, SpeechRegister.DECLAMATORY.position] = MARKED_REGISTER
    registers[low, SpeechRegister.WHISPER.position] = MARKED_REGISTER
    registers[:, SpeechRegister.CONVERSATIONAL.position] = 1 - registers.sum(axis=1)

    valence = register @ _row(EmotionalRegister, VALENCE_BY_REGISTER) + VALENCE_PER_WARMTH * axes["warmth_openness"]
    return Conditionals(
        action_type=types / types.sum(axis=1, keepdims=True),
        action_context=contexts / contexts.sum(axis=1, keepdims=True),
        valence=valence.astype(np.float32),
        speech_occurs=np.clip(speaks, 0, 1),
        speech_register=registers,
        awareness=_thought(axes["self_awareness"]),
        dominant=last_argmax(slots_of(features, "emotional_state")[..., 0]),
        raised=register @ _members(RAISED) > 0,
        lowered=register @ _members(LOWERED) > 0,
    )


def _thought(self_awareness: Float32) -> Int:
    """The position [n] of the AwarenessLevel of a thought."""
    above = [self_awareness > bound for bound in AWARENESS_ABOVE.values()]
    return np.select(above, [level.position for level in AWARENESS_ABOVE], AwarenessLevel.DEFENDED.position)


def _row(columns: type[C], values: Mapping[C, float]) -> Float64:
    """Numbers by enum member as [members], in wire order, 0 where none is given."""
    return np.array([values.get(member, 0.0) for member in columns])


def _matrix(rows: type[R], columns: type[C], values: Mapping[R, Mapping[C, float]]) -> Float64:
    """[row members, column members], in wire order, 0 where nothing is given."""
    return np.stack([_row(columns, values.get(member, {})) for member in rows])


def _members(values: Mapping[EmotionalRegister, tuple[Primary, ...]]) -> Float64:
    """[registers, primaries]: 1 where the register names the primary."""
    return _matrix(EmotionalRegister, Primary, {register: dict.fromkeys(p, 1.0) for register, p in values.items()})
