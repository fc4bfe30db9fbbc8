"""How sure a figure is: the interval in which that of all examples of the kind lies, at 95 % unless told otherwise."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

#: Standard errors on either side of a 95 % interval.
Z95 = 1.96


class Estimate(msgspec.Struct, frozen=True):
    """A figure, the interval around it, and on how many examples it stands."""

    value: float
    #: None where nothing can be said of the interval.
    low: float | None
    high: float | None
    examples: int

    def reach(self, form: str) -> str:
        """The interval for people; each end as `format` writes it by this specification."""
        return "" if self.low is None or self.high is None else f"{self.low:{form}} to {self.high:{form}}"


def share(right: int, examples: int, z: float = Z95) -> Estimate | None:
    """The share of examples that are right, with Wilson's interval; None without examples.

    Wilson (1927): unlike value +/- z standard errors, it stays within 0 and 1 and is not empty at either end.
    """
    if not examples:
        return None
    p = right / examples
    middle = (p + z * z / (2 * examples)) / (1 + z * z / examples)
    reach = z * math.sqrt(p * (1 - p) / examples + z * z / (4 * examples**2)) / (1 + z * z / examples)
    # At either end the interval closes on the share itself, but for a rounding error.
    return Estimate(p, min(max(middle - reach, 0.0), p), max(min(middle + reach, 1.0), p), examples)


def mean_of_groups(values: NDArray[np.float64], groups: NDArray[np.integer], z: float = Z95) -> Estimate | None:
    """The mean of values [n] that come in groups [n], with an interval that knows that a group's values go together.

    The standard error is the cluster-robust one: the root of the sum, over groups, of the squared sum of a group's
    distances from the mean, divided by n. With one group nothing can be said of the interval.
    """
    n = len(values)
    if not n:
        return None
    mean = float(values.mean())
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max()) + 1
    if count < 2:
        return Estimate(mean, None, None, n)
    sums = np.bincount(index, weights=values - mean, minlength=count)
    error = math.sqrt(float((sums**2).sum()) * count / (count - 1)) / n
    return Estimate(mean, mean - z * error, mean + z * error, n)
