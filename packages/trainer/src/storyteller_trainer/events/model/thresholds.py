"""From which probability on an event kind holds, chosen on data that no weight was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.events import EVENT_THRESHOLD, EventKind

#: Further out a threshold would rest on a handful of sentences.
LOWEST, HIGHEST = 0.05, 0.95


def best_thresholds(annotated: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> dict[str, float]:
    """For each kind the threshold with the best F1; of equally good ones the one nearest to the engine's 0.5.

    Candidates are 0.5 and the middles between neighbouring probabilities. A kind that is never annotated keeps 0.5.

    Args:
        annotated: [n, 8].
        probabilities: [n, 8]; a kind holds strictly above its threshold.
    """
    thresholds = {}
    for kind in EventKind:
        wanted, given = annotated[:, kind.position], probabilities[:, kind.position].astype(np.float64)
        known = np.unique(given)
        candidates = np.append(EVENT_THRESHOLD, (known[1:] + known[:-1]) / 2)
        candidates = candidates[(candidates >= LOWEST) & (candidates <= HIGHEST)]
        held = given[:, None] > candidates
        right = (held & wanted[:, None]).sum(axis=0)
        f1 = 2 * right / np.maximum(held.sum(axis=0) + wanted.sum(), 1)
        best = candidates[f1 == f1.max()] if wanted.any() else candidates[:1]
        thresholds[kind.value] = float(best[np.abs(best - EVENT_THRESHOLD).argmin()])
    return thresholds
