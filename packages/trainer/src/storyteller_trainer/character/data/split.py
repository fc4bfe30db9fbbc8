"""The training and the validation side: whole cells only, so that no cell is seen in training and then judged on.

1. Every cell is given the SHA-256 of the seed and its key; cells are taken in that order. It depends on neither the
   order of the file nor on what other cells there are.
2. A cell goes to the validation side if it still fits: if the side then holds no more than its share of the examples.
3. What is missing at the end is less than the smallest cell left over. That one is added too if it brings the side
   nearer to its share.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.data.rows import Rows, release

#: Rows whose keys are computed at once; they may lie on disk and be more than fit into memory. With as many as 8,192 it
#: takes more than twice as long, for the memory that intermediate results are given anew.
_ROWS = 1024
#: An odd number of 64 bits without a pattern (2^64 divided by the golden ratio).
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Split(NamedTuple):
    """Positions of examples, ascending."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]


def split_by_cell(cells: NDArray[np.int32], names: tuple[Cell, ...], fraction: float, seed: int) -> Split:
    """Divides the examples.

    Args:
        cells: [examples], the position of each example's cell in `names`.
        names: every cell once.
        fraction: share of the examples on the validation side.
        seed: another one gives another split.

    Raises:
        StorytellerError: there is one cell only, or one of the sides stays empty.
    """
    if len(names) < 2:
        raise StorytellerError(
            f"all {len(cells)} examples come from one cell {msgspec.structs.astuple(names[0])}; "
            f"validation needs cells of its own: add examples from other cells"
        )
    sizes = np.bincount(cells, minlength=len(names))
    wanted = fraction * len(cells)
    taken: list[int] = []
    left: list[int] = []
    count = 0
    for cell in sorted(range(len(names)), key=lambda cell: _order(names[cell], seed)):
        fits = count + sizes[cell] <= wanted
        (taken if fits else left).append(cell)
        count += int(sizes[cell]) if fits else 0
    if left:
        smallest = min(left, key=lambda cell: int(sizes[cell]))
        if count + int(sizes[smallest]) - wanted < wanted - count:
            taken.append(smallest)
            left.remove(smallest)
    if not taken or not left:
        side = "training" if taken else "validation"
        raise StorytellerError(
            f"a validation fraction of {fraction:g} leaves the {side} side without a cell: {len(names)} cells hold "
            f"{int(sizes.min())} to {int(sizes.max())} of {len(cells)} examples; choose a fraction nearer to 0.5"
        )
    held = np.isin(cells, taken)
    return Split(np.flatnonzero(~held), np.flatnonzero(held))


def count_shared(split: Split, features: Rows) -> int:
    """Examples of the validation side whose features are also on the training side, under another cell.

    Whatever their labels are: those are drawn anew for each row, and what is learnt of the same input counts.

    Args:
        features: [examples, inputs].
    """
    keys = _input_keys(features)
    return int(np.isin(keys[split.validation], keys[split.train]).sum())


def _input_keys(features: Rows) -> NDArray[np.uint64]:
    """[examples]: equal for equal inputs, and for other ones with a probability of about 2^-64; -0 is 0."""
    factors = np.random.default_rng(0).integers(2**64, size=features.shape[1], dtype=np.uint64) | np.uint64(1)
    keys = np.empty(len(features), np.uint64)
    for start in range(0, len(features), _ROWS):
        bits = (features[start : start + _ROWS] + np.float32(0)).view(np.uint32).astype(np.uint64)
        bits *= _MIX
        bits ^= bits >> np.uint64(29)
        keys[start : start + _ROWS] = (bits * factors).sum(axis=1, dtype=np.uint64)
        release(features)
    return keys


def _order(cell: Cell, seed: int) -> bytes:
    return hashlib.sha256(json.dumps([seed, *msgspec.structs.astuple(cell)]).encode()).digest()
