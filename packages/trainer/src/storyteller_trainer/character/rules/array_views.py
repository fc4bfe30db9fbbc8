"""Array types of the sample generator, and named views into feature and label vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int = NDArray[np.intp]
Bool = NDArray[np.bool_]


def slots_of(features: Float32, region: str) -> Float32:
    """A view of one region of features [n, inputs] as [n, slots, floats per slot]."""
    declared = FEATURES[region]
    return features[:, declared.span].reshape(len(features), declared.slots, declared.per_slot, copy=False)


def feature(features: Float32, path: str, slot: int = 0) -> Float32:
    """A view of one field of features [n, inputs], as [n, floats]: `player_event.event_type`, `tensor.variance`."""
    region, _, field = path.partition(".")
    return features[:, FEATURES[region].locate(field, slot)]


def label(labels: Float32, path: str) -> Float32:
    """A view of one field of labels [n, outputs], as [n, floats]: `action.type`, `emotion.intensity_delta`."""
    return labels[:, PREDICTIONS.span(path)]


def one_hot(positions: Int, size: int) -> Float32:
    """Positions [...] as one-hots [..., size]."""
    return np.eye(size, dtype=np.float32)[positions]


def uniform(rng: np.random.Generator, ends: Float32) -> Float32:
    """Draws of float32 [...], each uniform between its two ends in `ends` [..., 2]."""
    low, high = ends[..., 0], ends[..., 1]
    # low + u * (high - low) can round to a hair above high.
    return np.minimum(low + rng.random(low.shape, np.float32) * (high - low), high)


def between(low: float, high: float, shape: tuple[int, ...]) -> Float32:
    """The same two ends for every draw of an array of that shape."""
    return np.broadcast_to(np.array([low, high], np.float32), (*shape, 2))


def choose(rng: np.random.Generator, weights: Float64) -> Int:
    """One position per row of non-negative weights [n, k], with probability in proportion to the weight."""
    ends = np.cumsum(weights, axis=1)
    # Scaled by the last end, so that a draw below 1 stays below it and never lands on a trailing weight of 0.
    picked: Int = (rng.random((len(weights), 1)) * ends[:, -1:] >= ends).sum(axis=1)
    return picked
