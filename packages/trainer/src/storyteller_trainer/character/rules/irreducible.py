"""The irreducible loss: the lowest expected loss that labels which are drawn at random leave to any model.

Given the features, the best prediction of a categorical or binary label is its probability, and what remains of the
cross-entropy is the label's entropy (Cover and Thomas, Elements of Information Theory, theorem 2.6.3); the best
prediction of a number is its mean, and what remains of the squared error is its variance. Averaged over the examples
of a data set, with the probabilities that the generator itself used, the figure is exact for that set's scenarios. A
model also has to recognise the archetype from the layout of its axes, because features do not name axes. Where two
archetypes look alike, or an axis that labels depend on lies beyond the 16 that are encoded, it is a lower bound.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from storyteller_schema.contract.enums import ActionContext, ActionType

from storyteller_trainer.character.rules.array_views import Float32, Float64, slots_of
from storyteller_trainer.character.rules.coherence import INTENSITY_BOUNDS, fit
from storyteller_trainer.character.rules.conditionals import (
    CONFIDENCE,
    LOWERED_BY,
    RAISED_BY,
    SHIFT_ABOVE,
    SHIFT_PROBABILITY,
    VALENCE_NOISE,
    Conditionals,
)

#: An event changes at most this many emotions (RAISED and LOWERED in conditionals.py).
MOST_CHANGED = 2


def lowest_terms(features: Float32, given: Conditionals, leaving: Float64) -> dict[str, Float64]:
    """For each loss term [n]: the lowest expected loss of n examples; `accepted` gives the last two arguments."""
    mean, square, shift = delta_moments(features, given, leaving)
    certain = np.zeros(len(features))
    confidence = np.full(len(features), clamped_moments(*CONFIDENCE)[1])
    return {
        "action.type": entropy(given.action_type),
        "action.confidence": confidence,
        "action.target_index": certain,
        "action.emotional_valence": clamped_moments(given.valence - VALENCE_NOISE, given.valence + VALENCE_NOISE)[1],
        "action.context": entropy(given.action_context),
        "speech.occurs": binary_entropy(given.speech_occurs),
        "speech.register": entropy(given.speech_register),
        "speech.confidence": confidence,
        "thought.awareness": certain,
        "thought.dominant_emotion_index": certain,
        "emotion.intensity_delta": (square - mean**2).mean(axis=1),
        "emotion.awareness_shift": binary_entropy(shift).mean(axis=1),
    }


def best_accuracies(given: Conditionals) -> dict[str, Float64]:
    """For each output that is left to chance [n]: the probability of its likeliest value."""
    return {
        "action.type": given.action_type.max(axis=1),
        "action.context": given.action_context.max(axis=1),
        "speech.occurs": np.maximum(given.speech_occurs, 1 - given.speech_occurs),
        "speech.register": given.speech_register.max(axis=1),
    }


def entropy(probabilities: Float64) -> Float64:
    """The entropy [...] in nats of probabilities [..., k]."""
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1))
    nats: Float64 = -(probabilities * logarithms).sum(axis=-1)
    return nats


def binary_entropy(probability: Float64) -> Float64:
    """The entropy [...] in nats of something that is true with a probability [...]."""
    return entropy(np.stack([probability, 1 - probability], axis=-1))


def clamped_moments(low: ArrayLike, high: ArrayLike) -> tuple[Float64, Float64]:
    """Mean and variance of a number that is uniform in [low, high] and then clamped to [-1, 1]."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    inner_low, inner_high = np.clip(low, -1, 1), np.clip(high, -1, 1)
    at_minus_one = (np.clip(-1, low, high) - low) / (high - low)
    at_one = (high - np.clip(1, low, high)) / (high - low)
    inside = 1 - at_minus_one - at_one
    mean = at_one - at_minus_one + inside * (inner_low + inner_high) / 2
    square = at_one + at_minus_one + inside * _mean_square(inner_low, inner_high)
    return mean, square - mean**2


def accepted(
    features: Float32, labels: Float32, given: Conditionals, min_coherence: float
) -> tuple[Conditionals, Float64]:
    """The label probabilities of examples that were not rejected, and [n, 8] that of a delta leaving its bounds.

    Of what coherence depends on, only this is left to chance once the scenario is known: whether the action is Resist,
    Wait or another, whether its context is SharedHistory, and which deltas take their intensity out of bounds. The
    outcomes are enumerated, and by Bayes' rule each one's probability given acceptance follows.

    Args:
        features: [n, inputs].
        labels: [n, outputs]; only what is certain about them is used.
        given: what the label rules say about these scenarios, before any example is rejected.
        min_coherence: examples below were rejected, which changes the distribution of the labels of the others.
    """
    prior = _leaving_prior(features, given)
    # The (at most two) emotions that the event changes; of a register that changes fewer, others with probability 0.
    changed = np.argsort(~(given.raised | given.lowered), axis=1, kind="stable")[:, :MOST_CHANGED]
    leaves = np.take_along_axis(prior, changed, axis=1)
    shared = given.action_context[:, ActionContext.SHARED_HISTORY.position]
    resist = given.action_type[:, ActionType.RESIST.position]
    wait = given.action_type[:, ActionType.WAIT.position]

    depends = fit(features, labels)
    # Most data are far from being rejected; then nothing more is to be computed.
    worst = replace(depends, **{name: np.array(True) for name in ("shared_history", "resist", "wait")})
    if np.all(replace(worst, leaving=np.array(MOST_CHANGED)).score() >= min_coherence):
        return given, prior
    total, is_shared, resists, waits = np.zeros((4, len(features)))
    leaves_given = np.zeros_like(leaves)
    for *pattern, in_shared, does_resist, does_wait in product((0, 1), (0, 1), (0, 1), (0, 1), (0, 1)):
        if does_resist and does_wait:
            continue
        probability = np.where(pattern, leaves, 1 - leaves).prod(axis=1)
        probability *= shared if in_shared else 1 - shared
        probability *= resist if does_resist else wait if does_wait else 1 - resist - wait
        outcome = replace(
            depends,
            leaving=np.array(sum(pattern)),
            shared_history=np.array(in_shared > 0),
            resist=np.array(does_resist > 0),
            wait=np.array(does_wait > 0),
        )
        probability *= outcome.score() >= min_coherence
        total += probability
        is_shared += in_shared * probability
        resists += does_resist * probability
        waits += does_wait * probability
        leaves_given += np.outer(probability, pattern)
    # Nothing can be rejected (the sum of 24 probabilities may miss 1 by a rounding error).
    if np.all(total > 1 - 1e-12):
        return given, prior

    # Where no outcome is accepted there is no such example to speak of, whatever is computed for it.
    total = np.where(total > 0, total, 1)
    types, contexts = given.action_type.copy(), given.action_context.copy()
    types *= ((total - resists - waits) / total / (1 - resist - wait))[:, None]
    types[:, ActionType.RESIST.position] = resists / total
    types[:, ActionType.WAIT.position] = waits / total
    contexts *= ((total - is_shared) / total / (1 - shared))[:, None]
    contexts[:, ActionContext.SHARED_HISTORY.position] = is_shared / total
    leaving = prior.copy()
    np.put_along_axis(leaving, changed, leaves_given / total[:, None], axis=1)
    return replace(given, action_type=types, action_context=contexts), leaving


def _cuts(features: Float32, given: Conditionals) -> tuple[Float64, Float64, Float64]:
    """Sizes of deltas [n, 8]: the smallest, the largest, and that beyond which the intensity leaves its bounds."""
    intensities = slots_of(features, "emotional_state")[..., 0].astype(np.float64)
    lowest, highest = INTENSITY_BOUNDS
    low = np.where(given.raised, RAISED_BY[0], LOWERED_BY[0])
    high = np.where(given.raised, RAISED_BY[1], LOWERED_BY[1])
    cut = np.where(given.raised, highest - intensities, intensities - lowest)
    return low, high, np.clip(cut, low, high)


def _leaving_prior(features: Float32, given: Conditionals) -> Float64:
    """The probability [n, 8] that a delta takes its intensity out of bounds; 0 for an emotion that does not change."""
    low, high, cut = _cuts(features, given)
    return np.where(given.raised | given.lowered, (high - cut) / (high - low), 0)


def delta_moments(features: Float32, given: Conditionals, leaving: Float64) -> tuple[Float64, Float64, Float64]:
    """Of each intensity delta [n, 8]: its mean, its mean square, and the probability of its awareness shift.

    Args:
        features: [n, inputs].
        given: says which emotions are raised and lowered.
        leaving: [n, 8], the probability that the delta is one of those that leave the bounds. Below and above the cut
            the size of a delta is uniform, whatever this probability.
    """
    low, high, cut = _cuts(features, given)
    size = (1 - leaving) * (low + cut) / 2 + leaving * (cut + high) / 2
    square = (1 - leaving) * _mean_square(low, cut) + leaving * _mean_square(cut, high)
    conscious = (1 - leaving) * _share_above(SHIFT_ABOVE, low, cut) + leaving * _share_above(SHIFT_ABOVE, cut, high)
    sign = given.raised.astype(np.float64) - given.lowered
    return sign * size, np.abs(sign) * square, given.raised * SHIFT_PROBABILITY * conscious


def delta_shares(features: Float32, given: Conditionals, leaving: Float64, sizes: Float64) -> Float64:
    """The probability [n, 8] that a delta is smaller than `sizes` [n, 8]; not between 0 and 1 for one beyond its ends.

    Args:
        features, given, leaving: as in `delta_moments`.
    """
    low, high, cut = _cuts(features, given)
    below = (1 - leaving) * (sizes - low) / np.where(cut > low, cut - low, 1)
    above = 1 - leaving * (high - sizes) / np.where(high > cut, high - cut, 1)
    inside = (sizes >= low) & (sizes <= high)
    return np.where(inside, np.where(sizes < cut, below, above), (sizes - low) / (high - low))


def _mean_square(low: Float64, high: Float64) -> Float64:
    """The mean of x squared for x uniform in [low, high]."""
    return (low**2 + low * high + high**2) / 3


def _share_above(threshold: float, low: Float64, high: Float64) -> Float64:
    """The share of [low, high] that lies above a threshold."""
    width = np.where(high > low, high - low, 1)
    return np.where(high > low, np.clip((high - threshold) / width, 0, 1), low > threshold)
