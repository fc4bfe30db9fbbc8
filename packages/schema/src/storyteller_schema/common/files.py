"""Writing files so that a reader sees the old content or the new one, never a part of it.

A file is written under a temporary name beside its place, `.NAME.xxxxxxxx.part`, and renamed. The writer holds a lock
on it as long as it lives; what no living process holds was left by one that was killed, and the next writer of the same
file removes it.

A symbolic link stays what it is: the file behind it is replaced. A device or a pipe is never replaced but written to,
when all of the content is there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from storyteller_schema.common.ctrl_c import half_written
from storyteller_schema.common.errors import StorytellerError

#: What names a file or a folder: every public function that takes a path takes these.
StrPath: TypeAlias = str | os.PathLike[str]

#: Bytes of a name up to which a temporary name can hold it: names end at 255 on most file systems.
_LONGEST = 200
_END = ".part"
#: Where the system shows its devices and every process's open files as files.
_OF_THE_SYSTEM = ("/dev/", "/proc/")
#: The names of a process's own open files.
_OWN = re.compile(r"/dev/fd/(\d+)|/dev/std(out|err)")
#: What nothing is written to.
_REFUSED = {stat.S_ISDIR: "a folder", stat.S_ISBLK: "a block device", stat.S_ISSOCK: "a socket"}


def not_utf8(path: StrPath) -> bytes | None:
    """The path, or that to which a link leads, where it is not UTF-8, so that no report or manifest can speak of it."""
    names = [os.fsencode(path)]
    with suppress(OSError, ValueError):  # no working directory, or no name at all
        names.append(os.path.realpath(names[0]))
    for name in names:
        try:
            name.decode()
        except UnicodeDecodeError:
            return name
    return None


class CannotWriteError(StorytellerError):
    """The system refuses: a full disk, a folder without permission, a limit."""

    def __init__(self, place: Path, error: OSError) -> None:
        super().__init__(f"{place}: cannot write here: {error.strerror or error}; {_advice(error)}")
        self.place = place
        self.error = error


@contextmanager
def atomic_path(target: StrPath) -> Iterator[Path]:
    """Yields a temporary path for `target`; on a clean exit it is flushed to disk and renamed onto `target`.

    When the body raises, the temporary file is removed and an existing `target` stays as it was.

    Raises:
        StorytellerError: `target` is nothing that can be written, its folder cannot be made or written to, or the body
            raised an OSError that names no file of its own, such as a full disk.
    """
    target = Path(target)
    with naming_what_failed(target):
        if _is_special(target):
            with _written_through(target) as temporary:
                yield temporary
            return
        place = _behind_links(target)
        with temporary_beside(place) as temporary:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(place)


@contextmanager
def atomic_folder(target: StrPath) -> Iterator[Path]:
    """The same for a folder: yields an empty one, which takes the place of `target` and of all that was in it.

    Raises:
        StorytellerError: as for a file.
    """
    target = Path(target)
    with naming_what_failed(target), temporary_beside(target, folder=True) as temporary:
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)


def write_atomic(target: StrPath, content: bytes | bytearray | str) -> None:
    """Writes a whole file, text as UTF-8; errors as in `atomic_path`."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def place_of(target: StrPath) -> Path:
    """Where the content of a file goes that is not written by `atomic_path`: the file itself, or what a link names.

    Raises:
        StorytellerError: that is a folder, a device, a pipe or a socket, or the link leads nowhere.
    """
    target = Path(target)
    with naming_what_failed(target):
        if _is_special(target):
            raise StorytellerError(f"{target}: is a device or a pipe, which cannot be replaced; name a file")
        return _behind_links(target)


@contextmanager
def naming_what_failed(target: Path) -> Iterator[None]:
    """Around the writing of a file: an error of the system then says which file that was.

    Raises:
        CannotWriteError: in place of an OSError, unless that names a file somewhere else, which was only read; and in
            place of one about a temporary file of this one, of which the user knows nothing.
    """
    try:
        yield
    except CannotWriteError as error:
        if any(map(_is_temporary, error.place.parts)) and not any(map(_is_temporary, target.parts)):
            raise CannotWriteError(target, error.error) from error
        raise
    except OSError as error:
        if error.filename is not None and not _belongs(error.filename, target):
            raise
        raise CannotWriteError(target, error) from error


def _belongs(name: str | bytes, target: Path) -> bool:
    """Whether a path is the target, one of its folders, or a temporary one of it."""
    path, place = Path(os.fsdecode(name)).absolute(), target.absolute()
    return path == place or path in place.parents or any(map(_is_temporary, path.parts))


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there, or choose another place"
    if error.errno == errno.EFBIG:
        return "raise the limit on the size of a file (ulimit -f), or choose another place"
    return "choose another place"


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


# --- links, devices, pipes --------------------------------------------------------------------------------------------


def _behind_links(target: Path) -> Path:
    """The file that a symbolic link stands for, whether it is there yet or not."""
    if not target.is_symlink():
        return target
    place = Path(os.path.realpath(target))
    if place.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    return place


def _is_special(target: Path) -> bool:
    """Whether it is something other than a file that can be replaced.

    Raises:
        StorytellerError: nothing can be written to it.
    """
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    for holds, kind in _REFUSED.items():
        if holds(mode):
            raise StorytellerError(f"{target}: is {kind}, which is not written to; name a file")
    # /dev/stdout may be a file: one that is open already, and would go on being written under no name.
    return not stat.S_ISREG(mode) or str(target.absolute()).startswith(_OF_THE_SYSTEM)


@contextmanager
def _written_through(target: Path) -> Iterator[Path]:
    """Yields a temporary path elsewhere, whose content is then copied."""
    own = _OWN.fullmatch(str(target.absolute()))
    try:
        # Its own open files a process goes on writing where it is; to a pipe, it waits for no reader to come.
        descriptor = (
            os.dup(int(own[1] or 1 + (own[2] == "err"))) if own else os.open(target, os.O_WRONLY | os.O_NONBLOCK)
        )
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise StorytellerError(f"{target}: nobody reads from this pipe; start its reader first") from error
        raise
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as through, private_folder("output") as elsewhere:
        temporary = elsewhere / target.name
        yield temporary
        with temporary.open("rb") as written:
            shutil.copyfileobj(written, through)


# --- temporary names --------------------------------------------------------------------------------------------------


@contextmanager
def temporary_beside(place: Path, *, folder: bool = False) -> Iterator[Path]:
    """A temporary file or folder in the folder of `place`, locked, and gone in the end unless it was renamed.

    What killed processes left of the same place is removed first.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    sweep(place)
    temporary, lock = _made(place, folder=folder)
    try:
        with half_written(temporary):
            try:
                yield temporary
            finally:
                _remove(temporary)
    finally:
        os.close(lock)


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """An empty folder that only this user can enter, where the system keeps what is temporary, and gone in the end.

    What killed processes left of the same name is removed first.

    Raises:
        OSError: it cannot be made.
    """
    with temporary_beside(Path(tempfile.gettempdir()) / f"storyteller-{name}", folder=True) as folder:
        folder.chmod(0o700)
        yield folder


def sweep(place: Path) -> None:
    """Removes what killed processes left of a file or folder that was to come to this place."""
    mine = re.compile(rf"\.{re.escape(_short(place.name))}\.[a-z0-9_]{{8}}{re.escape(_END)}")
    for entry in place.parent.iterdir() if place.parent.is_dir() else ():
        if mine.fullmatch(entry.name):
            _remove_if_abandoned(entry)


def sweep_all(folder: Path) -> None:
    """Removes everything that killed processes left half written in a folder."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if _is_temporary(entry.name):
            _remove_if_abandoned(entry)


def _remove_if_abandoned(entry: Path) -> None:
    with suppress(OSError):  # gone, or not ours to remove
        lock = os.open(entry, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(entry)
        finally:
            os.close(lock)


def _made(place: Path, *, folder: bool) -> tuple[Path, int]:
    """A new temporary file or folder and the open descriptor with its lock."""
    start = f".{_short(place.name)}."
    while True:
        if folder:
            # By its name: Python 3.12 and newer answer with an absolute path, and messages say what the user said.
            path = place.parent / Path(tempfile.mkdtemp(prefix=start, suffix=_END, dir=place.parent)).name
            lock = os.open(path, os.O_RDONLY)
        else:
            lock, name = tempfile.mkstemp(prefix=start, suffix=_END, dir=place.parent)
            path = Path(name)
        # mkstemp and mkdtemp are private; a result is as readable as any other file of the user.
        path.chmod((0o777 if folder else 0o666) & ~_umask())
        with suppress(OSError):  # no locks here, as on some network file systems, where nothing is swept either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():  # not swept away between its making and its lock
            return path, lock
        os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= _LONGEST else hashlib.sha256(os.fsencode(name)).hexdigest()


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_END)
