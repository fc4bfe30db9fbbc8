"""One run to a folder: a second one would sweep away what the first has half written, and mix the histories."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder, which is made if it is not there.

    The system forgets the claim when the process ends, however it ends, and nothing is left in the folder; one that was
    made and stayed empty goes again. On a file system without locks, which some network ones are, nobody is kept out.

    Raises:
        StorytellerError: another run holds the folder, or it cannot be made.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StorytellerError(f"{folder}: cannot write here: {error.strerror}; choose another place") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorytellerError(
                f"{folder}: another run is at work in this folder; let it end, or give --output-dir another one"
            ) from None
        except OSError:
            pass  # no locks here, as on some network file systems
        yield
    finally:
        if made:
            with suppress(OSError):  # it holds a run now
                folder.rmdir()
        os.close(descriptor)
