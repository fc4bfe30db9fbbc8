"""Coherence: how well a set of labels fits its scenario, from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from storyteller_schema.contract.enums import ActionContext, ActionType, AwarenessLevel, Primary

from storyteller_trainer.character.rules.array_views import Bool, Float32, Float64, Int, feature, label, slots_of

#: An intensity may pass the ends of [0, 1] by this much before that costs coherence.
INTENSITY_BOUNDS = (-0.1, 1.1)

#: The share of each part in the whole, in hundredths. Parts and penalties are whole hundredths too, so a score is
#: the double nearest to its exact decimal value, and a comparison with a threshold such as 0.85 is exact.
SHARES = {"emotional": 25, "relational": 20, "awareness": 25, "stability": 15, "action_scene": 15}
WHOLE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """What coherence depends on, each [n] or broadcastable to it."""

    #: Deltas that take their intensity out of INTENSITY_BOUNDS.
    leaving: Int
    #: The dominant emotion is weaker than the third strongest.
    weak_dominant: Bool
    mean_trust: Float32
    affection: Float32
    tension: Float32
    shared_history: Bool
    resist: Bool
    wait: Bool
    dominant_structural: Bool
    #: The dominant emotion is Defended and the thought Articulate.
    articulate_yet_defended: Bool
    #: Awareness shifts away from Defended or Structural with a delta under 0.1.
    small_shifts: Int
    #: Deltas over 0.3.
    large_deltas: Int

    def score(self) -> Float64:
        """Coherence [n]; each part is floored at 0."""
        parts = {
            "emotional": 30 * self.leaving + 20 * self.weak_dominant,
            "relational": 30 * ((self.mean_trust < 0.3) & self.shared_history)
            + 20 * ((self.affection > 0.6) & self.resist),
            "awareness": 30 * self.dominant_structural + 20 * self.articulate_yet_defended + 15 * self.small_shifts,
            "stability": 20 * self.large_deltas,
            "action_scene": 30 * ((self.tension < 0.3) & self.resist) + 15 * ((self.tension > 0.8) & self.wait),
        }
        total = sum(share * np.maximum(WHOLE - parts[name], 0) for name, share in SHARES.items())
        return np.asarray(total / WHOLE**2)


def leaves_bounds(intensities: Float32, deltas: Float32) -> Bool:
    """Whether a delta takes an intensity out of INTENSITY_BOUNDS."""
    after = intensities + deltas
    low, high = INTENSITY_BOUNDS
    leaves: Bool = (deltas != 0) & ((after < low) | (after > high))
    return leaves


def fit(features: Float32, labels: Float32) -> Fit:
    """What the coherence of n examples depends on: features [n, inputs], labels [n, outputs]."""
    emotions = slots_of(features, "emotional_state")
    intensities, awareness = emotions[..., 0], emotions[..., 1:]
    guarded = (
        awareness[..., AwarenessLevel.DEFENDED.position] + awareness[..., AwarenessLevel.STRUCTURAL.position]
    ) > 0
    rows = np.arange(len(features))
    dominant = label(labels, "thought.dominant_emotion_index")[:, 0].astype(np.intp)
    of_dominant = awareness[rows, dominant]
    third = np.sort(intensities, axis=1)[:, len(Primary) - 3]
    deltas = label(labels, "emotion.intensity_delta")
    shifts = label(labels, "emotion.awareness_shift") > 0
    action = label(labels, "action.type")
    edge = "relational_edges."
    trust = [
        feature(features, f"{edge}{name}.central_tendency")[:, 0]
        for name in ("trust_reliability", "trust_competence", "trust_benevolence")
    ]
    articulate = label(labels, "thought.awareness")[:, AwarenessLevel.ARTICULATE.position] > 0
    return Fit(
        leaving=leaves_bounds(intensities, deltas).sum(axis=1),
        weak_dominant=intensities[rows, dominant] < third,
        mean_trust=(trust[0] + trust[1] + trust[2]) / np.float32(3),
        affection=feature(features, f"{edge}affection.central_tendency")[:, 0],
        tension=feature(features, "scene_context.tension")[:, 0],
        shared_history=label(labels, "action.context")[:, ActionContext.SHARED_HISTORY.position] > 0,
        resist=action[:, ActionType.RESIST.position] > 0,
        wait=action[:, ActionType.WAIT.position] > 0,
        dominant_structural=of_dominant[:, AwarenessLevel.STRUCTURAL.position] > 0,
        articulate_yet_defended=(of_dominant[:, AwarenessLevel.DEFENDED.position] > 0) & articulate,
        small_shifts=(shifts & guarded & (np.abs(deltas) < 0.1)).sum(axis=1),
        large_deltas=(np.abs(deltas) > 0.3).sum(axis=1),
    )


def coherence(features: Float32, labels: Float32) -> Float64:
    """The coherence [n] of n examples: features [n, inputs], labels [n, outputs]."""
    return fit(features, labels).score()
