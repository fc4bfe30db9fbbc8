"""Parsed training files, kept as memory-mapped arrays under the SHA-256 of the file they came from.

    CACHE/<sha256 of the file>/{features,labels,cells,digests}.npy and meta.json
    CACHE/stat/<sha256 of the path>.json

The first is the content. The second remembers size, times and inode of a file beside its hash, so that an unchanged
file need not be hashed again. A file modified within two seconds of that note may have changed without a new time
stamp, so it is hashed once more (git treats its index the same way). Of the times, a program such as `cp -p` can set
back that of the content; not that of the last change of whatever kind, which the system counts in finer steps.

A file is written while it is parsed, so that the memory it takes does not grow with the values in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import CannotWriteError, atomic_folder, sweep_all, write_atomic
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.chunks import Arrays, Chunk, gather
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.data.violations import Floats
from storyteller_trainer.reading.jsonl import sha256

#: The version of the files below; another one is parsed anew.
FORMAT = 4
#: A time stamp younger than this, in nanoseconds, is not believed: some file systems count whole or even seconds.
RACY_NS = 2_000_000_000
#: The same for the time of the last change: the system's own clock moves in steps of up to 10 ms.
CHANGE_RACY_NS = 20_000_000

_ARRAYS = ("features", "labels", "cells", "digests")


class Stamp(NamedTuple):
    """What a changed file changes, short of its content."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stamp(path: Path) -> Stamp:
    """The stamp of a file as it is now."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class _Known(msgspec.Struct):
    """A file that was hashed before."""

    path: str
    stamp: Stamp
    sha256: str
    noted_ns: int


class _Meta(msgspec.Struct):
    """What the arrays of an entry are."""

    format: int
    schema_fingerprint: str
    examples: int
    cell_names: tuple[Cell, ...]
    #: Array name to the stamp of its file; an array that was touched since is not trusted.
    stamps: dict[str, Stamp]


class Cache:
    """A folder of parsed files. Nothing in it is needed: what is missing, damaged or stale is made again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        #: What the user should hear: that the folder cannot be written to.
        self.notices: tuple[str, ...] = ()

    def digest(self, path: Path) -> str:
        """SHA-256, hex, of a file, taken from the note on it when the file is unchanged since.

        What killed processes left in the folder is removed first.
        """
        with suppress(OSError):  # not ours to remove
            sweep_all(self._root)
            sweep_all(self._root / "stat")
        found = stamp(path)
        if noted := self._noted(path, found):
            return noted
        now = time.time_ns()
        digest = sha256(path)
        try:
            write_atomic(self._note(path), msgspec.json.encode(_Known(str(path.resolve()), found, digest, now)))
        except StorytellerError as error:
            self._complain(error)
        return digest

    def holds(self, path: Path) -> bool:
        """Whether the arrays of a file are known to be here, without reading the file."""
        noted = self._noted(path, stamp(path))
        return noted is not None and self.load(noted) is not None

    def _note(self, path: Path) -> Path:
        return self._root / "stat" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()}.json"

    def _noted(self, path: Path, now: Stamp) -> str | None:
        try:
            known = msgspec.json.decode(self._note(path).read_bytes(), type=_Known)
        except (OSError, msgspec.DecodeError):
            return None
        settled = known.noted_ns - now.mtime_ns > RACY_NS and known.noted_ns - now.ctime_ns > CHANGE_RACY_NS
        return known.sha256 if known.stamp == now and settled else None

    def load(self, digest: str) -> Arrays | None:
        """The arrays of a file, memory-mapped and read-only, or None when they are not (or no longer) there whole."""
        entry = self._root / digest
        try:
            meta = msgspec.json.decode((entry / "meta.json").read_bytes(), type=_Meta)
            files = {name: entry / f"{name}.npy" for name in _ARRAYS}
            if meta.format != FORMAT or meta.schema_fingerprint != fingerprint():
                return None
            if meta.stamps != {name: stamp(file) for name, file in files.items()}:
                return None
            arrays = {name: np.load(file, mmap_mode="r", allow_pickle=False) for name, file in files.items()}
        except (OSError, ValueError, EOFError, msgspec.DecodeError):
            return None
        expected: dict[str, tuple[int, ...]]
        expected = {"features": (meta.examples, FEATURES.size), "labels": (meta.examples, PREDICTIONS.size)}
        expected |= {"cells": (meta.examples,), "digests": (meta.examples,)}
        if {name: array.shape for name, array in arrays.items()} != expected:
            return None
        return Arrays(**arrays, cell_names=meta.cell_names)

    def store(self, digest: str, chunks: Iterable[Chunk]) -> Arrays | None:
        """Keeps a file's arrays while its chunks come in, whole or not at all, and maps them.

        Returns:
            None where the folder cannot be written to; that is noted, not an error.

        Raises:
            StorytellerError: what the chunks raise; then nothing is kept.
        """
        try:
            # An old entry was not usable, or it would have been loaded.
            with atomic_folder(self._root / digest) as temporary:
                _write(temporary, chunks)
        except CannotWriteError as error:
            self._complain(error)
            return None
        return self.load(digest)

    def _complain(self, error: StorytellerError) -> None:
        self.notices = (f"{self._root}: the parsed data cannot be kept for the next start ({error})",)


def _write(folder: Path, chunks: Iterable[Chunk]) -> None:
    with ExitStack() as stack:
        features = stack.enter_context(_growing(folder / "features.npy", FEATURES.size))
        labels = stack.enter_context(_growing(folder / "labels.npy", PREDICTIONS.size))

        def keep(some_features: Floats, some_labels: Floats) -> None:
            features.write(some_features.data)
            labels.write(some_labels.data)

        keys = gather(chunks, keep)
    np.save(folder / "cells.npy", keys.cells, allow_pickle=False)
    np.save(folder / "digests.npy", keys.digests, allow_pickle=False)
    meta = _Meta(
        format=FORMAT,
        schema_fingerprint=fingerprint(),
        examples=len(keys.cells),
        cell_names=keys.cell_names,
        stamps={name: stamp(folder / f"{name}.npy") for name in _ARRAYS},
    )
    (folder / "meta.json").write_bytes(msgspec.json.encode(meta))


@contextmanager
def _growing(file: Path, columns: int) -> Iterator[BinaryIO]:
    """A file [rows, columns] float32 in NumPy's format, to which rows are written; their number is noted at the end.

    The header is written twice. NumPy leaves room in it for the number of rows to grow.
    """

    def write_header(rows: int) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
        np.lib.format.write_array_header_1_0(opened, header)

    with file.open("wb") as opened:
        write_header(0)
        start = opened.tell()
        yield opened
        rows = (opened.tell() - start) // (4 * columns)
        opened.seek(0)
        write_header(rows)
