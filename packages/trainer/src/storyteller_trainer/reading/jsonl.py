"""Reading a JSONL file line by line, plain or gzip, with the errors that a user can cause."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, not_utf8
from storyteller_schema.common.hints import hint

#: The commands that make sample data.
CHARACTER_MAKER = "generate-training-data"
EVENT_MAKER = "generate-event-data"

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
#: Bytes read at once. Python's own 8 KiB hold two lines of a training file, so that most are put together from pieces.
_BUFFER = 1 << 18
#: Bytes of a line, its end included; a line of ours has some 10,000. What is longer is no JSONL, whatever it is, and is
#: not read into memory to say so.
MAX_LINE = 16 << 20


class ByteRange(NamedTuple):
    """Consecutive bytes of a file, the lines in them whole."""

    start: int
    #: None for the end of the file.
    stop: int | None


#: All of a file.
WHOLE = ByteRange(0, None)


class DataGoneError(Exception):
    """The data of an earlier run cannot be had any more; the message says why, as the first half of a sentence."""


def check_file(path: StrPath, maker: str | None = None) -> None:
    """Refuses what cannot be a training file.

    Args:
        maker: the command that makes sample data of this kind.

    Raises:
        StorytellerError: nothing is there, it is a folder, it is empty, or its name is not UTF-8.
    """
    path = Path(path)
    if name := not_utf8(path):
        raise StorytellerError(f"{name!r}: the name is not UTF-8; give the file another one")
    try:
        found = path.stat()
    except FileNotFoundError:
        advice = f"`{hint(maker, '--output', path)}` makes sample data there" if maker else "name another"
        raise StorytellerError(f"{path}: no such file; {advice}") from None
    except OSError as error:
        raise StorytellerError(f"{path}: cannot be read: {error.strerror}") from error
    if stat.S_ISDIR(found.st_mode):
        raise StorytellerError(f"{path}: is a folder; name one JSONL file in it")
    if found.st_size == 0:
        raise StorytellerError(f"{path}: the file is empty; one JSON object a line is expected")


def check_name(path: Path) -> None:
    """
    Raises:
        StorytellerError: it is not the name of a JSONL file, plain or gzip.
    """
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise StorytellerError(
            f"{path}: training data is written as JSONL; choose a name ending in .jsonl or .jsonl.gz"
        )


def sha256(path: StrPath) -> str:
    """SHA-256, hex, of the bytes on disk (of the compressed bytes, where the file is compressed)."""
    path = Path(path)
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_copies(files: Iterable[StrPath], say: Callable[[str], None]) -> list[Path]:
    """The files, but of one that lies beside its compressed copy (`a.jsonl`, `a.jsonl.gz`) only the first.

    Args:
        files: that exist; say: called with a line for the user about each that is left out.

    Raises:
        StorytellerError: one of such a pair cannot be read.
    """
    paths = [Path(file) for file in files]
    plain = {path.resolve(): path for path in paths if path.suffix != ".gz"}
    kept = []
    for path in paths:
        beside = plain.get(path.resolve().with_suffix("")) if path.suffix == ".gz" else None
        if beside is not None and _content_hash(path) == _content_hash(beside):
            say(f"{path}: the compressed copy of {beside}, which is read; this one is not")
        else:
            kept.append(path)
    return kept


def _content_hash(path: Path) -> str:
    """SHA-256, hex, of what is in a file, unpacked; line by line, as it may be larger than memory."""
    found = hashlib.sha256()
    for _, line in numbered_lines(path):
        found.update(line)
    return found.hexdigest()


def cut_at_lines(path: Path, pieces: int) -> list[ByteRange]:
    """A plain file as at most so many spans of whole lines, about equally long; gzip, which cannot be cut, as one.

    Raises:
        StorytellerError: the file cannot be read.
    """
    with _opened(path) as file:
        if pieces == 1 or file.read(2) == _GZIP_MAGIC:
            return [WHOLE]
        size = os.fstat(file.fileno()).st_size
        cuts = {0, size}
        for piece in range(1, pieces):
            # From the byte before, so that a line that begins right here is not skipped.
            file.seek(max(0, size * piece // pieces - 1))
            if file.readline(MAX_LINE).endswith(b"\n"):
                cuts.add(file.tell())
    return [ByteRange(start, stop) for start, stop in pairwise(sorted(cuts))]


def numbered_lines(path: StrPath, span: ByteRange = WHOLE) -> Iterator[tuple[int, bytes]]:
    """Line numbers (from 1) and lines with their line ends. Blank lines and a UTF-8 byte order mark are skipped.

    Whether a file is gzip is told by its first bytes, whatever its name is.

    Args:
        span: from `cut_at_lines`: the lines there alone, which are counted from there.

    Raises:
        StorytellerError: the file cannot be read, its compression is damaged or cut off, or a line is too long.
    """
    path = Path(path)
    with _opened(path) as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(span.start)
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        left = math.inf if span.stop is None else span.stop - span.start
        number = 0
        try:
            while left > 0 and (line := file.readline(MAX_LINE + 1)):
                number += 1
                left -= len(line)
                if len(line) > MAX_LINE:
                    raise StorytellerError(
                        f"{path}: line {number}: longer than {MAX_LINE >> 20} MiB; one JSON object a line is expected"
                    )
                if number == 1 and span.start == 0:
                    line = line.removeprefix(_UTF8_BOM)
                if not line.isspace() and line:
                    yield number, line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise StorytellerError(
                f"{path}: the gzip data is damaged or cut off after line {number} ({error}); copy the file again"
            ) from error
        except OSError as error:
            raise StorytellerError(
                f"{path}: cannot be read after line {number}: {error.strerror or error}; copy the file again"
            ) from error


def _opened(path: Path) -> BufferedReader:
    try:
        return BufferedReader(path.open("rb", buffering=0), _BUFFER)
    except OSError as error:
        raise StorytellerError(f"{path}: cannot be read: {error.strerror}") from error
