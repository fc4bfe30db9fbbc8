"""Whether probabilities are what they say: of all predictions made with a probability of 0.7, are 70 % right?"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_exporter.evaluate.row_figures import Bools, Column, Floats, log_softmax, sigmoid

#: Bins of equal width between 0 and 1.
BINS = 15


class Bin(msgspec.Struct, frozen=True):
    """The predictions whose probability lies in one part of [0, 1]."""

    #: How many there are; at least 1.
    count: int
    #: The mean of their probabilities.
    probability: float
    #: The share of them that is right; of a binary field, whose label is 1.
    share: float


class Calibration(msgspec.Struct, frozen=True):
    """How far the probabilities of a field are from what happens.

    Of a categorical field the probability is that of the predicted class; of a binary one, that of a 1.
    """

    #: Expected calibration error (Guo et al., 2017): the mean distance of probability and share, weighted by counts.
    ece: float
    #: From low to high probability; empty ones are left out.
    bins: list[Bin]


def calibrations(logits: Floats, labels: Floats) -> dict[str, Calibration]:
    """By field, in wire order, for every field with probabilities that has a label somewhere.

    Args:
        logits: [n, outputs] raw outputs, without the shift of aligned thresholds.
        labels: [n, outputs].
    """
    found = {}
    for region in PREDICTIONS.regions:
        for field in region.fields:
            span = region.locate(field.name)
            x, y = logits[:, span].astype(np.float64), labels[:, span]
            if field.kind is Kind.ONE_HOT:
                known = y.any(axis=1)
                chances = np.exp(log_softmax(x[known]))
                right = chances.argmax(axis=1) == y[known].argmax(axis=1)
                pair: tuple[Column, Bools] = chances.max(axis=1), right
            elif field.kind is Kind.BINARY:
                pair = sigmoid(x).ravel(), y.ravel() == 1
            else:
                continue
            if len(pair[0]):
                found[f"{region.name}.{field.name}"] = calibration(*pair)
    return found


def calibration(probabilities: NDArray[np.float64], happened: NDArray[np.bool_]) -> Calibration:
    """Probabilities [n], at least one, against what happened [n]."""
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    filled = counts > 0
    means = np.bincount(place, weights=probabilities, minlength=BINS)[filled] / counts[filled]
    shares = np.bincount(place, weights=happened, minlength=BINS)[filled] / counts[filled]
    ece = float((np.abs(means - shares) * counts[filled]).sum() / len(probabilities))
    bins = [Bin(*each) for each in zip(counts[filled].tolist(), means.tolist(), shares.tolist(), strict=True)]
    return Calibration(ece, bins)
