"""What a training file is parsed into: checked chunks, and the arrays gathered from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.data.violations import Floats


class Chunk(NamedTuple):
    """The sound ones among some consecutive lines."""

    #: [examples, inputs] float32.
    features: Floats
    #: [examples, outputs] float32.
    labels: Floats
    cells: list[Cell]
    #: [examples] uint64: the first eight bytes of each content hash, enough to tell duplicates.
    digests: NDArray[np.uint64]


class Arrays(NamedTuple):
    """What is kept of a training file."""

    #: [examples, inputs].
    features: Floats
    #: [examples, outputs].
    labels: Floats
    #: [examples] int32: position in `cell_names`.
    cells: NDArray[np.int32]
    #: [examples] uint64, as in `Chunk`.
    digests: NDArray[np.uint64]
    #: Every cell once, sorted.
    cell_names: tuple[Cell, ...]


class Keys(NamedTuple):
    """The arrays of a file without the values: 12 bytes an example, small enough to be gathered in memory."""

    cells: NDArray[np.int32]
    digests: NDArray[np.uint64]
    cell_names: tuple[Cell, ...]


def gather(chunks: Iterable[Chunk], keep: Callable[[Floats, Floats], None]) -> Keys:
    """Goes through all chunks of a file.

    Args:
        keep: called with the features [n, inputs] and the labels [n, outputs] of each chunk.
    """
    seen: dict[Cell, int] = {}
    cells = [np.empty(0, np.int32)]
    digests = [np.empty(0, np.uint64)]
    for chunk in chunks:
        keep(chunk.features, chunk.labels)
        cells.append(np.array([seen.setdefault(cell, len(seen)) for cell in chunk.cells], np.int32))
        digests.append(chunk.digests)
    names = tuple(sorted(seen))
    position = np.zeros(len(names), np.int32)
    position[[seen[name] for name in names]] = np.arange(len(names))
    return Keys(position[np.concatenate(cells)], np.concatenate(digests), names)


def join_chunks(chunks: Iterable[Chunk]) -> Arrays:
    """All chunks of a file as arrays in memory."""
    features = [np.empty((0, FEATURES.size), np.float32)]
    labels = [np.empty((0, PREDICTIONS.size), np.float32)]

    def keep(some_features: Floats, some_labels: Floats) -> None:
        features.append(some_features)
        labels.append(some_labels)

    keys = gather(chunks, keep)
    return Arrays(np.concatenate(features), np.concatenate(labels), *keys)


def examples_hash(digests: NDArray[np.uint64]) -> str:
    """SHA-256, hex, of the digests in ascending order, each as eight bytes, little-endian.

    So the same examples have the same hash however the file is packed, ordered and written.
    """
    return hashlib.sha256(np.sort(digests).astype("<u8").tobytes()).hexdigest()


def count_elsewhere(cells: NDArray[np.int32], digests: NDArray[np.uint64]) -> int:
    """How often an example stands under a further cell: cells that have it, above the first, over all examples.

    Args:
        cells: [examples]; digests: [examples], as in `Arrays`.
    """
    order = np.lexsort((cells, digests))
    cells, digests = cells[order], digests[order]
    return int(np.count_nonzero((np.diff(cells) != 0) & (digests[1:] == digests[:-1])))


def count_duplicates(digests: NDArray[np.uint64]) -> int:
    """Examples whose features and labels already stand earlier."""
    return len(digests) - len(np.unique(digests))
