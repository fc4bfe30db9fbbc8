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

    0.0 and -0.0 are equal. A NaN counts as minus infinity, so that it never hides a number; in a row of NaN alone the
    last position wins. (The engine states no rule for NaN: an exported model that gives one is refused.)
    """
    array = np.asarray(values)
    if np.isnan(array).any():
        array = np.where(np.isnan(array), -np.inf, array)
    last: NDArray[np.intp] = array.shape[-1] - 1 - np.argmax(array[..., ::-1], axis=-1)
    return last
