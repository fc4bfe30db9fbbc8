"""Picks the sentences that a person should annotate: some at random, the others by how unsure the models are of them.

Only the random ones say honestly how good a model is: the others were chosen for being hard. They are drawn first, from
all sentences alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import ArrayLike
from storyteller_schema.contract.events import event_probabilities

#: Shorter sentences ("Yes.") are left to chance.
LEAST_WORDS = 4


@dataclass(frozen=True)
class Pick:
    """Indices of the chosen sentences, each list in the order of choosing."""

    random: list[int]
    uncertain: list[int]


def uncertainty(event_logits: ArrayLike, entity_logits: ArrayLike) -> float:
    """How unsure the models are of a sentence, 0 to 1: the mean of their unsurest kind and their unsurest token.

    A kind of probability p has 1 - |2p - 1|, a token one minus the probability of its likeliest label.

    Args:
        event_logits: [8].
        entity_logits: [tokens, 15], special tokens left out.
    """
    kinds = 1 - np.abs(2 * event_probabilities(event_logits).astype(np.float64) - 1)
    raw = np.asarray(entity_logits, np.float64)
    if not raw.size:
        return float(kinds.max()) / 2
    exponentials = np.exp(raw - raw.max(axis=1, keepdims=True))
    tokens = 1 - exponentials.max(axis=1) / exponentials.sum(axis=1)
    return (float(kinds.max()) + float(tokens.max())) / 2


def pick(texts: Sequence[str], unsure: Sequence[float], count: int, random_share: float, seed: int) -> Pick:
    """Chooses `count` of the texts, or all where there are fewer.

    The random ones are a share of the count, rounded up. Then, one after another, the text is taken whose uncertainty
    is largest once it is multiplied by how little of it the chosen ones say already: one minus the largest share of
    words that it has in common with one of them.
    """
    count = min(count, len(texts))
    drawn = Random(seed).sample(range(len(texts)), min(count, int(np.ceil(count * random_share))))
    words = [frozenset(re.findall(r"\w+", text.casefold())) for text in texts]
    worth = np.array(unsure, np.float64)
    worth[[len(found) < LEAST_WORDS for found in words]] = 0.0
    novelty = np.ones(len(texts))

    def take(chosen: int) -> None:
        novelty[chosen] = -np.inf
        for index, found in enumerate(words):
            if np.isfinite(novelty[index]):
                shared = len(found & words[chosen]) / max(1, len(found | words[chosen]))
                novelty[index] = min(novelty[index], 1 - shared)

    for index in drawn:
        take(index)
    uncertain: list[int] = []
    while len(drawn) + len(uncertain) < count:
        scores = np.where(np.isfinite(novelty), worth * np.maximum(novelty, 0), -1.0)
        best = int(scores.argmax())
        uncertain.append(best)
        take(best)
    return Pick(drawn, uncertain)
