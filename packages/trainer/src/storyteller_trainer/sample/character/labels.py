"""Labels, drawn from what the label rules say about each scenario."""

from __future__ import annotations

import numpy as np
from storyteller_schema.contract.enums import ActionContext, ActionType, AwarenessLevel, SpeechRegister
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.rules.array_views import Float32, between, choose, label, one_hot, uniform
from storyteller_trainer.character.rules.conditionals import (
    CONFIDENCE,
    LOWERED_BY,
    RAISED_BY,
    SHIFT_ABOVE,
    SHIFT_PROBABILITY,
    VALENCE_NOISE,
    Conditionals,
)

#: The generator never says whom an action is aimed at.
NO_TARGET = -1.0


def draw_labels(given: Conditionals, rng: np.random.Generator) -> Float32:
    """Labels [n, outputs] for n scenarios.

    The register and the confidence of speech are drawn whether or not speech occurs.
    """
    n = len(given.valence)
    labels = np.zeros((n, PREDICTIONS.size), np.float32)
    label(labels, "action.type")[:] = one_hot(choose(rng, given.action_type), len(ActionType))
    label(labels, "action.context")[:] = one_hot(choose(rng, given.action_context), len(ActionContext))
    label(labels, "action.confidence")[:, 0] = uniform(rng, between(*CONFIDENCE, (n,)))
    label(labels, "action.target_index")[:] = NO_TARGET
    noise = uniform(rng, between(-VALENCE_NOISE, VALENCE_NOISE, (n,)))
    label(labels, "action.emotional_valence")[:, 0] = np.clip(given.valence + noise, -1, 1)

    label(labels, "speech.occurs")[:, 0] = rng.random(n) < given.speech_occurs
    label(labels, "speech.register")[:] = one_hot(choose(rng, given.speech_register), len(SpeechRegister))
    label(labels, "speech.confidence")[:, 0] = uniform(rng, between(*CONFIDENCE, (n,)))

    label(labels, "thought.awareness")[:] = one_hot(given.awareness, len(AwarenessLevel))
    label(labels, "thought.dominant_emotion_index")[:, 0] = given.dominant

    rises = np.where(given.raised, uniform(rng, between(*RAISED_BY, given.raised.shape)), np.float32(0))
    falls = np.where(given.lowered, uniform(rng, between(*LOWERED_BY, given.lowered.shape)), np.float32(0))
    label(labels, "emotion.intensity_delta")[:] = rises - falls
    shifts = (rises > SHIFT_ABOVE) & (rng.random(rises.shape) < SHIFT_PROBABILITY)
    label(labels, "emotion.awareness_shift")[:] = shifts
    return labels
