"""The label rules, one by one and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from storyteller_schema.contract.enums import (
    ActionContext,
    ActionType,
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    SpeechRegister,
)
from storyteller_trainer.character.rules.array_views import Float32, Float64, label
from storyteller_trainer.character.rules.conditionals import LOWERED, RAISED, Conditionals, conditionals
from storyteller_trainer.character.rules.irreducible import MOST_CHANGED
from storyteller_trainer.sample.character.labels import draw_labels
from storyteller_trainer.sample.character.scenarios import Scenarios

MakeScenario = Callable[..., Scenarios]

# Members by name, so that the tables below read like the rules.
PERFORM, SPEAK, MOVE, EXAMINE, WAIT, RESIST = ActionType
SHARED_HISTORY, CURRENT_SCENE, REACTION, RELATIONAL, WORLD = ActionContext
JOY, TRUST, FEAR, SURPRISE, SADNESS, DISGUST, ANGER, ANTICIPATION = Primary


def rule(scenario: Scenarios) -> Conditionals:
    return conditionals(scenario.features, scenario.axes)


def drawn(scenario: Scenarios, seed: int = 0) -> Float32:
    return draw_labels(rule(scenario), np.random.default_rng(seed))


def assert_weights(probabilities: Float64, added: Mapping[Any, float], members: int) -> None:
    """Probabilities are those of weights that start at 1."""
    weights = np.ones(members)
    for member, value in added.items():
        weights[member.position] += value
    assert probabilities[0] == pytest.approx(weights / weights.sum(), abs=1e-12)


ACTION_OF_EVENT: dict[EventType, dict[ActionType, float]] = {
    EventType.SPEECH: {SPEAK: 2},
    EventType.ACTION: {PERFORM: 2},
    EventType.MOVEMENT: {MOVE: 2},
    EventType.OBSERVATION: {EXAMINE: 2},
    EventType.INTERACTION: {PERFORM: 1},
    EventType.EMOTE: {WAIT: 1},
    EventType.INQUIRY: {EXAMINE: 1.5},
}
ACTION_OF_REGISTER: dict[EmotionalRegister, dict[ActionType, float]] = {
    EmotionalRegister.AGGRESSIVE: {RESIST: 1.5, SPEAK: 1},
    EmotionalRegister.VULNERABLE: {SPEAK: 1, WAIT: 0.5},
    EmotionalRegister.PLAYFUL: {},
    EmotionalRegister.GUARDED: {WAIT: 1, EXAMINE: 1},
    EmotionalRegister.NEUTRAL: {},
    EmotionalRegister.TENDER: {SPEAK: 1.5, PERFORM: 0.5},
    EmotionalRegister.INQUISITIVE: {EXAMINE: 1.5, SPEAK: 1},
}


@pytest.mark.parametrize("event", EventType)
@pytest.mark.parametrize("register", EmotionalRegister)
def test_action_weights_of_event_and_register_add_up(
    scenario: MakeScenario, event: EventType, register: EmotionalRegister
) -> None:
    added = dict(ACTION_OF_EVENT[event])
    for action, value in ACTION_OF_REGISTER[register].items():
        added[action] = added.get(action, 0) + value
    assert_weights(rule(scenario(event=event, register=register)).action_type, added, 6)


@pytest.mark.parametrize(
    ("tension", "added"),
    [
        (0.71, {RESIST: 1, MOVE: 0.5}),
        (0.7, {}),
        (0.3, {}),
        (0.29, {WAIT: 1, EXAMINE: 0.5}),
    ],
)
def test_action_weights_of_tension(scenario: MakeScenario, tension: float, added: Mapping[ActionType, float]) -> None:
    """0.7 and 0.3 themselves are neither high nor low, also as float32."""
    given = rule(scenario(event=EventType.ACTION, tension=tension))
    assert_weights(given.action_type, {PERFORM: 2, **added}, 6)


@pytest.mark.parametrize(
    ("axes", "added"),
    [
        ({"empathy": 0.61}, {SPEAK: 1}),
        ({"empathy": 0.6}, {}),
        ({"distance_management": 0.61}, {WAIT: 1}),
        ({"distance_management": 0.6}, {}),
        ({"empathy": 0.9, "distance_management": 0.9}, {SPEAK: 1, WAIT: 1}),
    ],
)
def test_action_weights_of_axes(
    scenario: MakeScenario, axes: Mapping[str, float], added: Mapping[ActionType, float]
) -> None:
    assert_weights(rule(scenario(event=EventType.ACTION, axes=axes)).action_type, {PERFORM: 2, **added}, 6)


def test_action_weights_of_everything_together(scenario: MakeScenario) -> None:
    given = rule(
        scenario(
            event=EventType.SPEECH,
            register=EmotionalRegister.AGGRESSIVE,
            tension=0.8,
            axes={"empathy": 0.7, "distance_management": 0.7},
        )
    )
    # Perform 1, Speak 1 + 2 + 1 + 1, Move 1 + 0.5, Examine 1, Wait 1 + 1, Resist 1 + 1.5 + 1: 14 in all.
    assert given.action_type[0] == pytest.approx(np.array([1, 5, 1.5, 1, 2, 3.5]) / 14)


@pytest.mark.parametrize(
    ("register", "added"),
    [
        (EmotionalRegister.AGGRESSIVE, {REACTION: 2}),
        (EmotionalRegister.VULNERABLE, {REACTION: 1.5}),
        (EmotionalRegister.PLAYFUL, {CURRENT_SCENE: 1}),
        (EmotionalRegister.GUARDED, {CURRENT_SCENE: 1}),
        (EmotionalRegister.NEUTRAL, {CURRENT_SCENE: 1}),
        (EmotionalRegister.TENDER, {RELATIONAL: 1.5}),
        (EmotionalRegister.INQUISITIVE, {CURRENT_SCENE: 1.5}),
    ],
)
def test_context_weights(
    scenario: MakeScenario, register: EmotionalRegister, added: Mapping[ActionContext, float]
) -> None:
    indifferent = scenario(register=register, edge={"trust_benevolence": 0.5})
    assert_weights(rule(indifferent).action_context, added, 5)
    kind = scenario(register=register, edge={"trust_benevolence": 0.51})
    assert_weights(rule(kind).action_context, {**added, SHARED_HISTORY: 1}, 5)


@pytest.mark.parametrize(
    ("register", "base"),
    [
        (EmotionalRegister.AGGRESSIVE, -0.3),
        (EmotionalRegister.VULNERABLE, 0.1),
        (EmotionalRegister.PLAYFUL, 0.3),
        (EmotionalRegister.GUARDED, -0.1),
        (EmotionalRegister.NEUTRAL, 0.0),
        (EmotionalRegister.TENDER, 0.4),
        (EmotionalRegister.INQUISITIVE, 0.1),
    ],
)
def test_valence_is_register_plus_warmth_plus_noise(
    scenario: MakeScenario, register: EmotionalRegister, base: float
) -> None:
    warm = scenario(register=register, axes={"warmth_openness": 0.5}, n=4000)
    assert rule(warm).valence == pytest.approx(base + 0.1, abs=1e-6)
    valence = label(drawn(warm), "action.emotional_valence")
    assert valence.min() == pytest.approx(base, abs=0.001)
    assert valence.max() == pytest.approx(base + 0.2, abs=0.001)


def test_valence_is_clamped(scenario: MakeScenario) -> None:
    warm = scenario(register=EmotionalRegister.TENDER, axes={"warmth_openness": 2.75}, n=2000)
    valence = label(drawn(warm), "action.emotional_valence")
    assert valence.max() == 1
    # 0.95 - 0.1 .. 0.95 + 0.1: a quarter lies above 1.
    assert np.mean(valence == 1) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    ("event", "base"),
    [
        (EventType.SPEECH, 0.8),
        (EventType.EMOTE, 0.3),
        (EventType.OBSERVATION, 0.4),
        (EventType.ACTION, 0.5),
        (EventType.MOVEMENT, 0.5),
        (EventType.INTERACTION, 0.5),
        (EventType.INQUIRY, 0.5),
    ],
)
@pytest.mark.parametrize("expression", [-1.0, 0.0, 0.5])
def test_speech_probability(scenario: MakeScenario, event: EventType, base: float, expression: float) -> None:
    given = rule(scenario(event=event, axes={"expression_silence": expression}))
    assert given.speech_occurs[0] == pytest.approx(base + 0.2 * expression)


def test_speech_probability_stays_a_probability(scenario: MakeScenario) -> None:
    assert rule(scenario(axes={"expression_silence": 1.5})).speech_occurs[0] == 1
    assert rule(scenario(event=EventType.EMOTE, axes={"expression_silence": -1.75})).speech_occurs[0] == 0


@pytest.mark.parametrize(
    ("tension", "expected"),
    [
        (0.9, {SpeechRegister.DECLAMATORY: 0.4, SpeechRegister.CONVERSATIONAL: 0.6}),
        (0.7, {SpeechRegister.CONVERSATIONAL: 1.0}),
        (0.3, {SpeechRegister.CONVERSATIONAL: 1.0}),
        (0.1, {SpeechRegister.WHISPER: 0.4, SpeechRegister.CONVERSATIONAL: 0.6}),
    ],
)
def test_speech_register(scenario: MakeScenario, tension: float, expected: Mapping[SpeechRegister, float]) -> None:
    given = rule(scenario(tension=tension))
    assert given.speech_register[0] == pytest.approx([expected.get(member, 0) for member in SpeechRegister])


@pytest.mark.parametrize(
    ("self_awareness", "level"),
    [
        (0.71, AwarenessLevel.ARTICULATE),
        (0.7, AwarenessLevel.RECOGNIZABLE),
        (0.51, AwarenessLevel.RECOGNIZABLE),
        (0.5, AwarenessLevel.PRECONSCIOUS),
        (0.31, AwarenessLevel.PRECONSCIOUS),
        (0.3, AwarenessLevel.DEFENDED),
        (-1.0, AwarenessLevel.DEFENDED),
    ],
)
def test_awareness_of_the_thought(scenario: MakeScenario, self_awareness: float, level: AwarenessLevel) -> None:
    scenarios = scenario(axes={"self_awareness": self_awareness})
    assert rule(scenarios).awareness.tolist() == [level.position]
    assert label(drawn(scenarios), "thought.awareness")[0, level.position] == 1


def test_without_the_axis_the_thought_is_preconscious(scenario: MakeScenario) -> None:
    assert rule(scenario()).awareness.tolist() == [AwarenessLevel.PRECONSCIOUS.position]


def test_the_dominant_emotion_is_the_strongest_and_of_equals_the_last(scenario: MakeScenario) -> None:
    def emotions(**intensities: float) -> dict[Primary, tuple[float, AwarenessLevel]]:
        return {Primary(name): (value, AwarenessLevel.ARTICULATE) for name, value in intensities.items()}

    assert rule(scenario(emotions=emotions(joy=0.2, fear=0.7, anger=0.6))).dominant.tolist() == [FEAR.position]
    tie = scenario(emotions=emotions(joy=0.7, fear=0.7, anger=0.6))
    assert rule(tie).dominant.tolist() == [FEAR.position]
    assert label(drawn(tie), "thought.dominant_emotion_index")[0, 0] == FEAR.position


CHANGES = {
    EmotionalRegister.AGGRESSIVE: ({ANGER}, {TRUST}),
    EmotionalRegister.VULNERABLE: ({TRUST}, {FEAR}),
    EmotionalRegister.TENDER: ({JOY, TRUST}, set()),
    EmotionalRegister.PLAYFUL: ({JOY, SURPRISE}, set()),
    EmotionalRegister.GUARDED: ({FEAR}, {JOY}),
    EmotionalRegister.INQUISITIVE: ({SURPRISE, ANTICIPATION}, set()),
    EmotionalRegister.NEUTRAL: (set(), set()),
}


@pytest.mark.parametrize("register", EmotionalRegister)
def test_deltas_and_shifts(scenario: MakeScenario, register: EmotionalRegister) -> None:
    raised, lowered = CHANGES[register]
    labels = drawn(scenario(register=register, n=20_000))
    for primary in Primary:
        delta = label(labels, "emotion.intensity_delta")[:, primary.position]
        shift = label(labels, "emotion.awareness_shift")[:, primary.position]
        if primary in raised:
            assert delta.min() == pytest.approx(0.05, abs=0.001)
            assert delta.max() == pytest.approx(0.25, abs=0.001)
            assert delta.mean() == pytest.approx(0.15, abs=0.002)
            assert np.all(delta[shift == 1] > 0.15)
            assert shift[delta > 0.15].mean() == pytest.approx(0.2, abs=0.02)
        elif primary in lowered:
            assert delta.max() == pytest.approx(-0.05, abs=0.001)
            assert delta.min() == pytest.approx(-0.15, abs=0.001)
            assert not shift.any()
        else:
            assert not delta.any()
            assert not shift.any()


def test_no_register_raises_what_it_lowers_or_changes_too_many() -> None:
    """The irreducible loss counts on both."""
    for register in EmotionalRegister:
        raised, lowered = RAISED.get(register, ()), LOWERED.get(register, ())
        assert not set(raised) & set(lowered)
        assert len(raised) + len(lowered) <= MOST_CHANGED


def test_drawn_labels_follow_their_probabilities(scenario: MakeScenario) -> None:
    scenarios = scenario(
        register=EmotionalRegister.AGGRESSIVE, tension=0.8, axes={"expression_silence": -0.5}, n=40_000
    )
    given, labels = rule(scenarios), drawn(scenarios)
    assert label(labels, "action.type").mean(axis=0) == pytest.approx(given.action_type[0], abs=0.01)
    assert label(labels, "action.context").mean(axis=0) == pytest.approx(given.action_context[0], abs=0.01)
    assert label(labels, "speech.register").mean(axis=0) == pytest.approx(given.speech_register[0], abs=0.01)
    assert label(labels, "speech.occurs").mean() == pytest.approx(0.7, abs=0.01)
    for path in ("action.confidence", "speech.confidence"):
        confidence = label(labels, path)
        assert confidence.min() == pytest.approx(0.5, abs=0.001)
        assert confidence.max() == pytest.approx(0.9, abs=0.001)
        assert confidence.mean() == pytest.approx(0.7, abs=0.005)
    pairs = np.corrcoef(label(labels, "action.confidence")[:, 0], label(labels, "speech.confidence")[:, 0])
    assert abs(pairs[0, 1]) < 0.02


def test_the_target_is_never_resolved_and_registers_are_there_without_speech(scenario: MakeScenario) -> None:
    labels = drawn(scenario(event=EventType.EMOTE, n=500))
    assert np.all(label(labels, "action.target_index") == -1)
    silent = labels[label(labels, "speech.occurs")[:, 0] == 0]
    assert len(silent) > 100
    assert np.all(label(silent, "speech.register").sum(axis=1) == 1)
