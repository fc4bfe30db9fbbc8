"""Coherence: every penalty, its threshold, and the floors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from storyteller_schema.contract.enums import ActionContext, ActionType, AwarenessLevel, Primary
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.rules.array_views import label
from storyteller_trainer.character.rules.coherence import SHARES, WHOLE, coherence
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.generate import generate_dataset
from storyteller_trainer.sample.character.scenarios import Scenarios
from storyteller_trainer.sample.character.synthetic import random_descriptors

MakeScenario = Callable[..., Scenarios]

JOY, TRUST, FEAR, SURPRISE, SADNESS, DISGUST, ANGER, ANTICIPATION = Primary
ARTICULATE, RECOGNIZABLE, PRECONSCIOUS, DEFENDED, STRUCTURAL = AwarenessLevel

#: Joy leads, and nothing costs anything.
CALM = {
    JOY: (0.8, ARTICULATE),
    TRUST: (0.7, RECOGNIZABLE),
    FEAR: (0.6, RECOGNIZABLE),
    ANGER: (0.5, DEFENDED),
    SADNESS: (0.4, STRUCTURAL),
}


@pytest.fixture
def score(scenario: MakeScenario) -> Callable[..., float]:
    """The coherence of one example; without arguments it is 1."""

    def compute(
        *,
        emotions: Mapping[Primary, tuple[float, AwarenessLevel]] = CALM,
        trust: tuple[float, float, float] = (0.5, 0.5, 0.5),
        affection: float = 0.0,
        tension: float = 0.5,
        action: ActionType = ActionType.SPEAK,
        context: ActionContext = ActionContext.CURRENT_SCENE,
        thought: AwarenessLevel = RECOGNIZABLE,
        dominant: Primary = JOY,
        deltas: Mapping[Primary, float] | None = None,
        shifts: tuple[Primary, ...] = (),
    ) -> float:
        names = ("trust_reliability", "trust_competence", "trust_benevolence")
        edge = {**dict(zip(names, trust, strict=True)), "affection": affection}
        features = scenario(emotions=emotions, edge=edge, tension=tension).features
        labels = np.zeros((1, PREDICTIONS.size), np.float32)
        label(labels, "action.type")[0, action.position] = 1
        label(labels, "action.context")[0, context.position] = 1
        label(labels, "thought.awareness")[0, thought.position] = 1
        label(labels, "thought.dominant_emotion_index")[:] = dominant.position
        for primary, delta in (deltas or {}).items():
            label(labels, "emotion.intensity_delta")[0, primary.position] = delta
        for primary in shifts:
            label(labels, "emotion.awareness_shift")[0, primary.position] = 1
        return float(coherence(features, labels)[0])

    return compute


def test_nothing_wrong_scores_one(score: Callable[..., float]) -> None:
    assert score() == 1


def test_shares_add_up() -> None:
    assert sum(SHARES.values()) == WHOLE


def with_joy(intensity: float, awareness: AwarenessLevel = ARTICULATE) -> dict[Primary, tuple[float, AwarenessLevel]]:
    return {**CALM, JOY: (intensity, awareness)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # Emotional, a quarter: 0.3 for each delta that leaves [-0.1, 1.1].
        ({"deltas": {JOY: 0.25}, "emotions": with_joy(0.84)}, 1.0),
        ({"deltas": {JOY: 0.25}, "emotions": with_joy(0.86)}, 0.925),
        ({"deltas": {DISGUST: -0.09}}, 1.0),
        ({"deltas": {DISGUST: -0.11}}, 0.925),
        ({"deltas": {DISGUST: -0.11, ANTICIPATION: -0.12}}, 0.85),
        ({"deltas": {DISGUST: -0.11, ANTICIPATION: -0.12, SURPRISE: -0.2}}, 0.775),
        # Four of them would cost 1.2 of 1: the floor. 0.25 is lost, and 0.2 of stability's 0.15 for the delta over 0.3.
        ({"deltas": {DISGUST: -0.11, ANTICIPATION: -0.12, SURPRISE: -0.2, JOY: 0.35}}, 0.72),
        # 0.2 when the dominant one is weaker than the third strongest; the third strongest itself is not.
        ({"dominant": FEAR}, 1.0),
        ({"dominant": ANGER, "emotions": {**CALM, ANGER: (0.5, ARTICULATE)}}, 0.95),
        # Relational, a fifth: 0.3 for little trust with SharedHistory, 0.2 for affection with Resist.
        ({"trust": (0.0, 0.3, 0.59), "context": ActionContext.SHARED_HISTORY}, 0.94),
        ({"trust": (0.0, 0.3, 0.62), "context": ActionContext.SHARED_HISTORY}, 1.0),
        ({"trust": (0.0, 0.0, 0.0)}, 1.0),
        ({"affection": 0.61, "action": ActionType.RESIST}, 0.96),
        ({"affection": 0.6, "action": ActionType.RESIST}, 1.0),
        ({"affection": 0.61}, 1.0),
        # Awareness, a quarter.
        ({"emotions": with_joy(0.8, STRUCTURAL)}, 0.925),
        ({"emotions": with_joy(0.8, DEFENDED)}, 1.0),
        ({"emotions": with_joy(0.8, DEFENDED), "thought": ARTICULATE}, 0.95),
        ({"emotions": with_joy(0.8, STRUCTURAL), "thought": ARTICULATE}, 0.925),
        ({"thought": ARTICULATE}, 1.0),
        ({"shifts": (ANGER,), "deltas": {ANGER: 0.09}}, 0.9625),
        ({"shifts": (SADNESS,), "deltas": {SADNESS: 0.09}}, 0.9625),
        ({"shifts": (ANGER,), "deltas": {ANGER: 0.11}}, 1.0),
        ({"shifts": (TRUST,), "deltas": {TRUST: 0.09}}, 1.0),
        ({"shifts": (ANGER, SADNESS)}, 0.925),
        # Stability, 0.15: 0.2 for each delta over 0.3.
        ({"deltas": {ANGER: 0.31}}, 0.97),
        ({"deltas": {ANGER: 0.3}}, 1.0),
        ({"deltas": {ANGER: -0.31, TRUST: 0.31}}, 0.94),
        # Action and scene, 0.15.
        ({"tension": 0.29, "action": ActionType.RESIST}, 0.955),
        ({"tension": 0.3, "action": ActionType.RESIST}, 1.0),
        ({"tension": 0.81, "action": ActionType.WAIT}, 0.9775),
        ({"tension": 0.8, "action": ActionType.WAIT}, 1.0),
        ({"tension": 0.29, "action": ActionType.WAIT}, 1.0),
        # Two parts at once.
        (
            {"affection": 0.7, "tension": 0.1, "action": ActionType.RESIST, "emotions": with_joy(0.8, STRUCTURAL)},
            1 - 0.04 - 0.045 - 0.075,
        ),
    ],
)
def test_penalties(score: Callable[..., float], arguments: dict[str, object], expected: float) -> None:
    assert score(**arguments) == pytest.approx(expected, abs=1e-15)


def test_scores_are_the_doubles_nearest_to_their_decimal_value(score: Callable[..., float]) -> None:
    """So that a threshold given in decimals is met by the score that equals it."""
    assert score(deltas={DISGUST: -0.11}) == 0.925
    assert score(shifts=(ANGER,), deltas={ANGER: 0.09}) == 0.9625
    assert score(deltas={DISGUST: -0.11, ANTICIPATION: -0.12}) == 0.85


@pytest.mark.parametrize("seed", range(3))
def test_generated_examples_never_score_below_what_their_rules_allow(seed: int) -> None:
    """Two deltas out of bounds, SharedHistory without trust, Resist out of affection, a Structural emotion, and Resist
    at low tension: 1 - 0.15 - 0.06 - 0.04 - 0.075 - 0.045. Hence the default threshold of 0.6 rejects nothing."""
    made = generate_dataset(random_descriptors(seed), SampleConfig(examples=20_000, min_coherence=0))
    assert made.coherence.min() >= 0.63
    assert made.coherence.max() == 1
    assert np.unique(made.coherence).size > 10
