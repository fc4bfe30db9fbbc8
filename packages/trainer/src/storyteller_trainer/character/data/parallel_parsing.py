"""New data parsed by other processes that leave it in the cache: much at once, or one file beside other work.

Of much, each takes a file of its own. A plain file that is larger than a process's share of all is cut at line ends;
what is made of its pieces waits in a folder in the cache, and is then put together as if one process had read all.

What cannot be done like this, because a file has a fault, is done again by `load_dataset` in the process that asked for
it, and that says what is wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from storyteller_schema.common.ctrl_c import undone_by
from storyteller_schema.common.files import sweep_all, temporary_beside

from storyteller_trainer.character.data.cache import Cache, Stamp, stamp
from storyteller_trainer.character.data.chunks import Arrays, Chunk
from storyteller_trainer.character.data.dataset import CHUNK, load_dataset, sound_chunks
from storyteller_trainer.character.data.rows import release
from storyteller_trainer.reading.jsonl import WHOLE, ByteRange, cut_at_lines

#: This module, for `python -m`.
MODULE = "storyteller_trainer.character.data.parallel_parsing"
#: Bytes of new files from which the user is told that it takes a while, and from which processes are worth their
#: start, about 0.2 s each.
LARGE = 50_000_000
#: The most at a time. Each takes some 50 MB of memory.
MOST = 8
#: Seconds between two looks at the processes.
_PAUSE = 0.02


class _Piece(NamedTuple):
    """What one process parses."""

    file: Path
    span: ByteRange
    #: Where it leaves the result, under the hash of the file, or under `name` where that is only a piece.
    cache: Path
    name: str

    def command(self) -> list[str]:
        of_it = [] if self.span == WHOLE else [self.name, str(self.span.start), str(self.span.stop)]
        return [sys.executable, "-m", MODULE, str(self.file), str(self.cache), *of_it]


def fill_cache(files: Sequence[Path], cache_dir: Path, notify: Callable[[str], None]) -> None:
    """Parses the files that the cache does not hold by as many processes as there are cores.

    Little data and a single core are left to `load_dataset`, and so is everything when the cache cannot be written to.

    Args:
        files: that exist; notify: called with a line for the user.

    Raises:
        StorytellerError: a file has a fault.
    """
    new = [file for file in files if not Cache(cache_dir).holds(file)]
    size = sum(file.stat().st_size for file in new)
    if size < LARGE or not _writable(cache_dir):
        return
    cores = min(os.cpu_count() or 1, MOST)
    spans = {file: cut_at_lines(file, -(-file.stat().st_size * cores // size)) for file in new}
    at_once = min(cores, sum(map(len, spans.values())))
    what = new[0].name if len(new) == 1 else f"{len(new)} files"
    notify(
        f"Parsing {what}{f' by {at_once} processes' if at_once > 1 else ''} ({size / 1e6:,.0f} MB); "
        f"the next start finds the result in {cache_dir}"
    )
    if at_once > 1 and (failed := _parse(spans, cache_dir, at_once)):
        load_dataset(failed, cache_dir)


@contextmanager
def parsing_beside(files: Sequence[Path], cache_dir: Path) -> Iterator[None]:
    """Within it, another process parses a file that the cache does not hold; this one meanwhile imports PyTorch, say.

    Done for one file, if it is too small for `fill_cache`, and not on a single core. What it fails at, `load_dataset`
    does again.
    """
    new = [file for file in files if not Cache(cache_dir).holds(file)]
    if len(new) != 1 or new[0].stat().st_size >= LARGE or os.cpu_count() == 1:
        yield
        return
    process = start(_Piece(new[0], WHOLE, cache_dir, "").command())

    def end() -> None:
        process.terminate()
        with suppress(ChildProcessError):  # not `process.wait`: Ctrl-C may have interrupted that
            os.waitpid(process.pid, 0)
        sweep_all(cache_dir)  # see `_run`

    with undone_by(end):
        try:
            yield
            process.wait()
        except BaseException:
            end()
            process.wait()
            raise


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _parse(spans: Mapping[Path, Sequence[ByteRange]], cache_dir: Path, at_once: int) -> Path | None:
    """Parses files until all are in the cache or one has failed; that one is returned."""
    before = {file: stamp(file) for file in spans}
    with temporary_beside(cache_dir / "pieces", folder=True) as folder:
        pieces = {
            file: [_Piece(file, span, cache_dir if span == WHOLE else folder, f"{number}-{span.start}") for span in cut]
            for number, (file, cut) in enumerate(spans.items())
        }
        if failed := _run([piece for of_file in pieces.values() for piece in of_file], at_once):
            return failed
        for file, of_file in pieces.items():
            if of_file[0].span != WHOLE and not _put_together(file, of_file, before[file], Cache(cache_dir)):
                return file
    return None


def _put_together(file: Path, pieces: Sequence[_Piece], before: Stamp, cache: Cache) -> bool:
    """Keeps what was made of the pieces of a file as what the file holds, if it stayed as it was before."""
    digest = cache.digest(file)
    made = [Cache(piece.cache).load(piece.name) for piece in pieces]
    whole = [arrays for arrays in made if arrays is not None]
    if len(whole) < len(pieces) or stamp(file) != before:
        return False
    return cache.store(digest, (chunk for arrays in whole for chunk in _chunks(arrays))) is not None


def _chunks(arrays: Arrays) -> Iterator[Chunk]:
    for start in range(0, len(arrays.cells), CHUNK):
        part = slice(start, start + CHUNK)
        cells = [arrays.cell_names[cell] for cell in arrays.cells[part]]
        yield Chunk(arrays.features[part], arrays.labels[part], cells, arrays.digests[part])
        release(arrays.features)
        release(arrays.labels)


def _run(pieces: Sequence[_Piece], at_once: int) -> Path | None:
    """Starts a process for each piece, so many at a time, until all are done or one fails: its file is returned."""
    waiting = list(pieces)
    running: dict[_Piece, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                piece = waiting.pop(0)
                running[piece] = start(piece.command())
            time.sleep(_PAUSE)
            for piece, process in list(running.items()):
                if process.poll() is not None:
                    del running[piece]
                    if process.returncode:
                        return piece.file
        return None
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
        if running:  # one that is ended just when it has made a file leaves it
            for folder in {piece.cache for piece in pieces}:
                sweep_all(folder)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Starts a process that says nothing."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)


def _leave(number: int, frame: FrameType | None) -> None:
    """Ends this process in such a way that it removes what it has half written, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def _main(file: Path, cache: Path, name: str = "", *span: str) -> None:
    """One of the processes: keeps what it makes of a file, or of a span of it under a name."""
    if not span:
        load_dataset(file, cache)
    elif Cache(cache).store(name, sound_chunks(file, ByteRange(*map(int, span)))) is None:
        sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    # From a terminal Ctrl-C comes here too. The process that started this one answers it, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
