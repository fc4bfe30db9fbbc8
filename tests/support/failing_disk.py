"""A disk that refuses: the one place where the tests replace what writes, so that no private name is.

Every file that Python opens for writing, by `open` or by `pathlib`, writes through one class here. Writing done in
other languages (ONNX Runtime, safetensors' `save_file`) is not seen; the workspace writes none of its results so.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

_open = io.open


class FullDisk:
    """What was written, and from when on the disk is full."""

    def __init__(self, full_from: int | None, error: int = errno.ENOSPC) -> None:
        """
        Args:
            full_from: the number, from 0, of the first write that fails; None for none.
            error: what it fails with.
        """
        self.full_from = full_from
        self.error = error
        #: Writes tried so far.
        self.writes = 0

    def check(self) -> None:
        """Counts a write, and fails it if it is its turn."""
        number, self.writes = self.writes, self.writes + 1
        if self.full_from is not None and number >= self.full_from:
            raise OSError(self.error, os.strerror(self.error))


@contextmanager
def full_disk(full_from: int | None, error: int = errno.ENOSPC) -> Iterator[FullDisk]:
    """Within it, that many writes succeed and every later one fails; as the system does, without naming a file."""
    disk = FullDisk(full_from, error)

    class File(io.FileIO):
        def write(self, data: Any) -> int:
            disk.check()
            return super().write(data)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> IO[Any]:
        if not isinstance(file, (str, bytes, os.PathLike)) or not set(mode) & set("wax+"):
            return _open(file, mode, buffering, *args, **options)
        raw = File(os.fspath(file), mode.replace("b", "").replace("t", ""), opener=options.pop("opener", None))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        yield disk


def at_every_write(work: Callable[[], object], check: Callable[[int, Exception], None], most: int = 1000) -> int:
    """Does some work again and again, the disk full from its first, second, ... write on, until it succeeds.

    Args:
        work: what writes.
        check: called after each failure with the number of the write and the error.

    Returns:
        How many writes the work takes.
    """
    for number in range(most):
        with full_disk(number) as disk:
            try:
                work()
            except Exception as error:  # whatever it is, the check judges it
                failure = error
            else:
                assert disk.writes <= number, "a write failed, and nobody said so"
                return number
        check(number, failure)
    raise AssertionError(f"the work was not done after {most} writes")


def refuse_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As read-only folders do, for root too: no temporary file can be made in a folder that is named."""
    for name in ("mkstemp", "mkdtemp"):
        genuine = getattr(tempfile, name)

        def refuse(*args: Any, genuine: Callable[..., Any] = genuine, **options: Any) -> Any:
            if options.get("dir") is not None:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return genuine(*args, **options)

        monkeypatch.setattr(tempfile, name, refuse)


def refuse_renames(
    monkeypatch: pytest.MonkeyPatch, refused: Callable[[Path, Path], bool], error: BaseException
) -> None:
    """Fails some renames onto a file or a free place.

    Args:
        refused: whether one fails, by the old and the new path.
        error: what it fails with.
    """
    genuine = os.replace

    def rename(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
        if refused(Path(old), Path(new)):
            raise error
        genuine(old, new)

    monkeypatch.setattr(os, "replace", rename)


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As file systems do that have no hard links."""

    def link(*_: Any, **__: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", link)
