"""Writing files so that a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from storyteller_schema.common.ctrl_c import half_written
from storyteller_schema.common.errors import StorytellerError

#: What names a file or a folder: every public function that takes a path takes these.
StrPath: TypeAlias = str | os.PathLike[str]


@contextmanager
def atomic_path(target: StrPath) -> Iterator[Path]:
    """Yields a temporary path beside `target`; on a clean exit it is flushed to disk and renamed onto `target`.

    When the body raises, the temporary file is removed and an existing `target` stays as it was.

    Raises:
        StorytellerError: the folder of `target` cannot be made or written to.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise StorytellerError(f"{target}: cannot write here: {error.strerror}; choose another place") from error
    os.close(descriptor)
    temporary = Path(name)
    with half_written(temporary):
        try:
            # mkstemp makes private files; a result is as readable as any other file of the user.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomic(target: StrPath, content: bytes | str) -> None:
    """Writes a whole file, text as UTF-8."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
