"""Several files parsed at once, each by a process of its own that leaves them in the cache.

What such a process cannot do, because its file has a fault, is done again by `load_dataset` in the process that asked
for it, and that says what is wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from storyteller_trainer.character.data.cache import Cache
from storyteller_trainer.character.data.dataset import load_dataset

#: This module, for `python -m`.
MODULE = "storyteller_trainer.character.data.parallel_parsing"
#: Bytes of new files from which the user is told that it takes a while, and from which processes are worth their
#: start, about 0.2 s each.
LARGE = 50_000_000
#: The most at a time. Each takes some 50 MB of memory.
MOST = 8
#: Seconds between two looks at the processes.
_PAUSE = 0.02


def fill_cache(files: Sequence[Path], cache_dir: Path, notify: Callable[[str], None]) -> None:
    """Parses the files that the cache does not hold, as many at a time as there are cores.

    Little data and a single file are left to `load_dataset`, and so is everything when the cache cannot be written to.

    Args:
        files: that exist; notify: called with a line for the user.

    Raises:
        StorytellerError: a file has a fault.
    """
    new = [file for file in files if not Cache(cache_dir).holds(file)]
    size = sum(file.stat().st_size for file in new)
    if size < LARGE or not _writable(cache_dir):
        return
    at_once = min(len(new), os.cpu_count() or 1, MOST)
    what = new[0].name if len(new) == 1 else f"{len(new)} files, {at_once} at a time"
    notify(f"Parsing {what} ({size / 1e6:,.0f} MB); the next start finds the result in {cache_dir}")
    if at_once > 1 and (failed := _parse(new, cache_dir, at_once)):
        load_dataset(failed, cache_dir)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _parse(files: Sequence[Path], cache_dir: Path, at_once: int) -> Path | None:
    """Parses files side by side until all are done or one has failed; that one is returned."""
    waiting = list(files)
    running: dict[Path, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                file = waiting.pop(0)
                running[file] = start([sys.executable, "-m", MODULE, str(file), str(cache_dir)])
            time.sleep(_PAUSE)
            for file, process in list(running.items()):
                if process.poll() is not None:
                    del running[file]
                    if process.returncode:
                        return file
        return None
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Starts a process that says nothing."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)


def _leave(number: int, frame: FrameType | None) -> None:
    """Ends this process in such a way that it removes what it has half written, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    # From a terminal Ctrl-C comes here too. The process that started this one answers it, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load_dataset(Path(sys.argv[1]), Path(sys.argv[2]))
