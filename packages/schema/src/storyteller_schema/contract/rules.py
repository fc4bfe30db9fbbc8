"""How the engine reads the floats of a model's output: the rules that both pipelines share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: `speech.occurs` and every `emotion.awareness_shift` are true when the RAW output is strictly above this. The heads
#: are trained on logits, so the engine's cut lies at a probability of about 0.622.
BINARY_CUT = 0.5
#: An intensity delta is kept only when its absolute value is strictly above this, compared in float32.
DELTA_FLOOR = 0.01


def last_argmax(values: ArrayLike) -> NDArray[np.intp]:
    """The position of the largest number along the last axis; of several equal ones the LAST, as Rust's `max_by`.

    0.0 and -0.0 are equal, and a NaN compares as equal to everything. A scan from the start holds a value until it
    meets one that it is not greater than: so a later number takes the place of a NaN, and a later NaN that of a number.

    Args:
        values: [..., n] with n at least 1.

    Returns:
        [...] positions from 0 to n - 1.
    """
    array = np.asarray(values)
    held = array[..., 0]
    position: NDArray[np.intp] = np.zeros(held.shape, dtype=np.intp)
    for index in range(1, array.shape[-1]):
        stays = held > array[..., index]
        held = np.where(stays, held, array[..., index])
        position = np.where(stays, position, index)
    return position
