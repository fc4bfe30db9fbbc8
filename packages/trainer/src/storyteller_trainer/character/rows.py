"""Tables of floats that need not be in memory, and need not stand in one file."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from storyteller_trainer.character.rules import Floats


class Rows(Protocol):
    """What an array [rows, columns] and a `Stacked` have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.intp], /) -> Any:
        """A copy of some rows, [len(rows), columns] float32."""

    def __array__(self, dtype: Any = None, /, *, copy: bool | None = None) -> NDArray[Any]: ...


class Stacked:
    """The rows of several arrays, one after the other, as if they stood in one; nothing is copied."""

    def __init__(self, parts: Sequence[Floats]) -> None:
        self.parts = tuple(parts)
        #: [parts + 1]: position of each part's first row, then the number of all rows.
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return len(self), self.parts[0].shape[1]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, rows: NDArray[np.intp], /) -> Floats:
        """A copy of some rows, by positions from 0, in any order."""
        found = np.empty((len(rows), self.shape[1]), np.float32)
        part_of = np.searchsorted(self._starts, rows, side="right") - 1
        for index in np.unique(part_of):
            here = np.flatnonzero(part_of == index)
            found[here] = self.parts[index][rows[here] - self._starts[index]]
        return found

    def __array__(self, dtype: Any = None, /, *, copy: bool | None = None) -> NDArray[Any]:
        return np.concatenate(self.parts).astype(dtype or np.float32)


def release(rows: Rows) -> None:
    """Lets the system take back the memory of what was read through a mapping; the next reading maps it again.

    The pages stay in the system's file cache as long as there is room. For an array in memory nothing happens.
    """
    for part in rows.parts if isinstance(rows, Stacked) else (rows,):
        base: object = part
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
            base.madvise(mmap.MADV_DONTNEED)
