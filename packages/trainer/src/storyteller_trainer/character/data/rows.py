"""Tables of floats that need not be in memory, and need not stand in one file."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from storyteller_trainer.character.data.violations import Floats

#: Wanted rows that are less than this apart are fetched in one go with what is between them.
_GAP = 64
#: Rows that are taken before their pages are released: 64 MB of pages, where all rows lie far apart.
_AT_ONCE = 1024


class Rows(Protocol):
    """What an array [rows, columns] and a `Stacked` have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.intp] | slice, /) -> Any:
        """Some rows, [their number, columns] float32: by positions a copy, by a slice perhaps a view."""

    def __array__(self, dtype: Any = None, /, *, copy: bool | None = None) -> NDArray[Any]: ...


class Stacked:
    """The rows of several arrays, one after the other, as if they stood in one; nothing is copied."""

    def __init__(self, parts: Sequence[Floats]) -> None:
        self.parts = tuple(parts)
        #: [parts + 1]: position of each part's first row, then the number of all rows.
        self.starts = np.cumsum([0, *(len(part) for part in parts)])

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return len(self), self.parts[0].shape[1]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, rows: NDArray[np.intp] | slice, /) -> Floats:
        """A copy of some rows: a slice, or positions from 0, in any order."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        found = np.empty((len(rows), self.shape[1]), np.float32)
        part_of = np.searchsorted(self.starts, rows, side="right") - 1
        for index in np.unique(part_of):
            here = np.flatnonzero(part_of == index)
            found[here] = self.parts[index][rows[here] - self.starts[index]]
        return found

    def __array__(self, dtype: Any = None, /, *, copy: bool | None = None) -> NDArray[Any]:
        return np.concatenate(self.parts).astype(dtype or np.float32)


def take(table: Rows, rows: NDArray[np.intp]) -> Floats:
    """A copy of some rows, read a few at a time.

    With each row of a mapped file the system maps its neighbours too, up to 64 KiB, which count as memory of the
    process until they are released.
    """
    found = np.empty((len(rows), table.shape[1]), np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = table[rows[part]]
        release(table)
    return found


def fetch_ahead(table: Rows, rows: NDArray[np.intp]) -> None:
    """Asks the system to read some rows of mapped files from the disk in the background, so that no one waits for them.

    Args:
        rows: positions, ascending. For a table in memory nothing happens.
    """
    for part, offset in _parts(table):
        mapping = _mapping(part)
        own = rows[slice(*np.searchsorted(rows, (offset, offset + len(part))))] - offset
        if mapping is None or not len(own):
            continue
        origin = part.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
        width = part.strides[0]
        breaks = np.flatnonzero(np.diff(own) >= _GAP)
        begins, ends = own[np.append(0, breaks + 1)], own[np.append(breaks, -1)] + 1
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            page = (origin + begin * width) // mmap.PAGESIZE * mmap.PAGESIZE
            advise(mapping, mmap.MADV_WILLNEED, page, origin + end * width - page)


def release(table: Rows) -> None:
    """Lets the system take back the memory of what was read through a mapping; the next reading maps it again.

    The pages stay in the system's file cache as long as there is room. For an array in memory nothing happens.
    """
    for part, _ in _parts(table):
        if mapping := _mapping(part):
            advise(mapping, mmap.MADV_DONTNEED, 0, len(mapping))


def _parts(table: Rows) -> Iterator[tuple[NDArray[Any], int]]:
    """Arrays, and the positions of their first rows."""
    if isinstance(table, Stacked):
        yield from zip(table.parts, table.starts.tolist(), strict=False)
    elif isinstance(table, np.ndarray):
        yield table, 0


def _mapping(part: NDArray[Any]) -> mmap.mmap | None:
    """The mapping that an array is read through, if it is and the system takes advice about it."""
    base: object = part
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and hasattr(base, "madvise") else None


def advise(mapping: mmap.mmap, advice: int, start: int, length: int) -> None:
    mapping.madvise(advice, start, length)
