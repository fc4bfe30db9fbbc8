"""The examples of one side of the split as batches: from tensors on the device, or from files as they are needed.

The order of a `ResidentSource` is any of all orders, each equally likely. A `MappedSource` shuffles by block:
consecutive examples form blocks, the blocks are put in a random order, and in this sequence the examples of every
window of many blocks are shuffled. So a block is read in one piece and only one window is in memory. docs/scale.md says
what that costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.contract.features import FEATURES
from torch import Tensor

from storyteller_trainer.character.data.rows import Rows, fetch_ahead, release, take
from storyteller_trainer.character.data.standardize import Standardizer
from storyteller_trainer.character.data.violations import Floats

#: Consecutive examples that stay together until a window is shuffled: 128 x 495 float32 are 0.25 MB, enough for a disk
#: to read them about as fast as a whole file, and fewer than the generator draws in a row from one cell of a large set.
BLOCK = 128
#: Examples shuffled together: 512 blocks, 130 MB.
WINDOW = 65_536
#: Examples read at once: 16 MB.
PASS = 8192


#: Other labels [n, outputs] of some examples, from their features [n, inputs], their own labels and positions [n].
Relabel = Callable[[Floats, Floats, NDArray[np.intp]], Floats]


class Batch(NamedTuple):
    """Some examples on the training device."""

    #: [batch, inputs] float32.
    features: Tensor
    #: [batch, outputs] float32.
    labels: Tensor


class Source(Protocol):
    """Where a trainer takes the examples of one side from."""

    @property
    def device(self) -> torch.device:
        """On which batches lie."""

    def __len__(self) -> int: ...

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """All examples once in a new order, `size` at a time and what is left at the end."""

    def in_order(self, size: int) -> Iterator[Batch]:
        """All examples once, `size` at a time and what is left at the end."""

    def standardizer(self) -> Standardizer:
        """By the mean and the deviation of all examples."""

    def extremes(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest value [inputs] of each input."""


@dataclass(frozen=True)
class ResidentSource:
    """Examples resident on the training device."""

    #: [examples, inputs] float32.
    features: Tensor

    #: [examples, outputs] float32.
    labels: Tensor

    @classmethod
    def of(cls, features: Floats, labels: Floats, device: torch.device) -> ResidentSource:
        """Copies arrays to the device."""
        return cls(torch.tensor(features, device=device), torch.tensor(labels, device=device))

    @property
    def device(self) -> torch.device:
        """On which the examples lie."""
        return self.features.device

    def __len__(self) -> int:
        return len(self.features)

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """As in `Source`; the order is drawn on the CPU, so that it is the same on every device."""
        order = torch.randperm(len(self), generator=generator).to(self.device)
        for rows in torch.split(order, size):
            yield Batch(self.features.index_select(0, rows), self.labels.index_select(0, rows))

    def in_order(self, size: int) -> Iterator[Batch]:
        """As in `Source`."""
        for start in range(0, len(self), size):
            yield Batch(self.features[start : start + size], self.labels[start : start + size])

    def standardizer(self) -> Standardizer:
        """As in `Source`."""
        return Standardizer.of(self.features)

    def extremes(self) -> tuple[Tensor, Tensor]:
        """As in `Source`."""
        return self.features.amin(dim=0), self.features.amax(dim=0)


@dataclass(frozen=True)
class MappedSource:
    """Examples in files, of which only a window is in memory."""

    #: [all examples, inputs], of both sides of the split.
    features: Rows

    #: [all examples, outputs], likewise.
    labels: Rows

    #: Positions of this side's examples, ascending.
    rows: NDArray[np.intp]

    #: On which batches lie.
    device: torch.device

    #: What is made of the labels as they are read; None leaves them.
    relabel: Relabel | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """As in `Source`, shuffled by block."""
        starts = torch.randperm(-(-len(self) // BLOCK), generator=generator) * BLOCK
        sequence = (starts[:, None] + torch.arange(BLOCK)).flatten()
        sequence = sequence[sequence < len(self)]
        # A window is a whole number of batches, so that only the last batch of all can be a smaller one.
        windows = torch.split(sequence, size * max(1, WINDOW // size))
        for window in self._read_all([members.sort().values for members in windows]):
            order = torch.randperm(len(window.features), generator=generator).to(self.device)
            for rows in torch.split(order, size):
                yield Batch(window.features.index_select(0, rows), window.labels.index_select(0, rows))

    def in_order(self, size: int) -> Iterator[Batch]:
        """As in `Source`."""
        yield from self._read_all(torch.split(torch.arange(len(self)), size))

    def standardizer(self) -> Standardizer:
        """As in `Source`, in one pass over the files."""
        return Standardizer.of_parts(batch.features for batch in self.in_order(PASS))

    def extremes(self) -> tuple[Tensor, Tensor]:
        """As in `Source`, in one pass over the files."""
        low = torch.full(self.features.shape[1:], math.inf)
        high = -low
        for start in range(0, len(self), PASS):
            rows = self.rows[start : start + PASS]
            fetch_ahead(self.features, rows)
            part = torch.from_numpy(take(self.features, rows))
            low, high = torch.minimum(low, part.amin(dim=0)), torch.maximum(high, part.amax(dim=0))
        return low.to(self.device), high.to(self.device)

    def _read_all(self, parts: Sequence[Tensor]) -> Iterator[Batch]:
        """Examples of this side, copied to the device part by part; while one is worked on, the disk reads the next.

        Args:
            parts: positions in `rows`, each ascending.
        """
        self._fetch_ahead(parts[0])
        for part, following in zip_longest(parts, parts[1:]):
            rows = self.rows[part.numpy()]
            batch = _read(self.features, self.labels, rows, self.device, self.relabel)
            if following is not None:
                self._fetch_ahead(following)
            yield batch

    def _fetch_ahead(self, part: Tensor) -> None:
        for table in (self.features, self.labels):
            fetch_ahead(table, self.rows[part.numpy()])


def make_source(
    features: Rows,
    labels: Rows,
    rows: NDArray[np.intp],
    device: torch.device,
    memory_limit: float,
    relabel: Relabel | None = None,
) -> Source:
    """One side of a split, resident if all features (of both sides) together take at most `memory_limit` bytes.

    Args:
        features: [all examples, inputs]; labels: [all examples, outputs].
        rows: positions of the side's examples, ascending.
        relabel: what is made of the labels: once, of resident examples, and else as they are read.
    """
    if len(features) * FEATURES.size * 4 <= memory_limit:
        return ResidentSource(*_read(features, labels, rows, device, relabel))
    return MappedSource(features, labels, rows, device, relabel)


def _read(features: Rows, labels: Rows, rows: NDArray[np.intp], device: torch.device, relabel: Relabel | None) -> Batch:
    """Some examples on the device."""
    if relabel is None:
        return Batch(_copy(features, rows, device), _copy(labels, rows, device))
    cpu = torch.device("cpu")
    own_features, own_labels = _copy(features, rows, cpu), _copy(labels, rows, cpu)
    made = relabel(own_features.numpy(), own_labels.numpy(), rows)
    return Batch(own_features.to(device), torch.from_numpy(made).to(device))


def _copy(table: Rows, rows: NDArray[np.intp], device: torch.device) -> Tensor:
    """Some rows [len(rows), columns] on the device.

    Read a few at a time: mapped pages count as memory of the process, and all of them together would be a second copy.
    """
    found = torch.empty(len(rows), table.shape[1], device=device)
    for start in range(0, len(rows), PASS):
        part = rows[start : start + PASS]
        found[start : start + len(part)] = torch.from_numpy(table[part])
        release(table)
    return found
