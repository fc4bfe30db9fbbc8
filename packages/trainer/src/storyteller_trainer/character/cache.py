"""Parsed training files, kept as memory-mapped arrays under the SHA-256 of the file they came from.

    CACHE/<sha256 of the file>/{features,labels,cells}.npy and meta.json
    CACHE/stat/<sha256 of the path>.json

The first is the content. The second remembers size, times and inode of a file beside its hash, so that an unchanged
file need not be hashed again. A file modified within two seconds of that note may have changed without a new time
stamp, so it is hashed once more (git treats its index the same way).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.errors import StorytellerError
from storyteller_schema.features import FEATURES
from storyteller_schema.files import write_atomic
from storyteller_schema.metadata import fingerprint
from storyteller_schema.predictions import PREDICTIONS

from storyteller_trainer.character.records import Cell
from storyteller_trainer.character.source import sha256

#: The version of the files below; another one is parsed anew.
FORMAT = 1
#: A time stamp younger than this, in nanoseconds, is not believed: some file systems count whole or even seconds.
RACY_NS = 2_000_000_000

_ARRAYS = ("features", "labels", "cells")


class Arrays(NamedTuple):
    """What is kept of a training file; shapes and meaning as in `dataset.CharacterDataset`."""

    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    cells: NDArray[np.int32]
    cell_names: tuple[Cell, ...]
    duplicates: int


class Stamp(NamedTuple):
    """What a changed file changes, short of its content."""

    size: int
    mtime_ns: int
    inode: int


def stamp(path: Path) -> Stamp:
    """The stamp of a file as it is now."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)


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
    duplicates: int
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
        """SHA-256, hex, of a file, taken from the note on it when the file is unchanged since."""
        found = stamp(path)
        name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
        note = self._root / "stat" / f"{name}.json"
        try:
            known = msgspec.json.decode(note.read_bytes(), type=_Known)
            if known.stamp == found and known.noted_ns - found.mtime_ns > RACY_NS:
                return known.sha256
        except (OSError, msgspec.DecodeError):
            pass
        now = time.time_ns()
        digest = sha256(path)
        try:
            write_atomic(note, msgspec.json.encode(_Known(str(path.resolve()), found, digest, now)))
        except StorytellerError as error:
            self._complain(error)
        return digest

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
        expected = {"features": (meta.examples, FEATURES.size), "labels": (meta.examples, PREDICTIONS.size)}
        if {name: array.shape for name, array in arrays.items()} != expected | {"cells": (meta.examples,)}:
            return None
        return Arrays(**arrays, cell_names=meta.cell_names, duplicates=meta.duplicates)

    def save(self, digest: str, arrays: Arrays) -> None:
        """Keeps the arrays: whole, or not at all. A folder that cannot be written to is noted, not an error."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{digest[:16]}.", dir=self._root))
            try:
                self._write(temporary, arrays)
                entry = self._root / digest
                if entry.exists():  # it was not usable, or it would have been loaded
                    shutil.rmtree(entry)
                temporary.replace(entry)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            self._complain(error)

    @staticmethod
    def _write(folder: Path, arrays: Arrays) -> None:
        stamps = {}
        for name in _ARRAYS:
            file = folder / f"{name}.npy"
            np.save(file, getattr(arrays, name), allow_pickle=False)
            stamps[name] = stamp(file)
        meta = _Meta(
            format=FORMAT,
            schema_fingerprint=fingerprint(),
            examples=len(arrays.features),
            duplicates=arrays.duplicates,
            cell_names=arrays.cell_names,
            stamps=stamps,
        )
        (folder / "meta.json").write_bytes(msgspec.json.encode(meta))

    def _complain(self, error: Exception) -> None:
        self.notices = (f"{self._root}: the parsed data cannot be kept for the next start ({error})",)
