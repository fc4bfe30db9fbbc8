"""New files take the place of old ones only after they have passed their checks, and then all of them."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import naming_what_failed, place_of, temporary_beside

from storyteller_exporter.checks.verification_report import Verdict, Verification, overall
from storyteller_exporter.verify.verification import REPORT_NAME, report_text

#: Where files that failed their checks are kept, in the folder that they were meant for.
FAILED = "failed-export"
#: What was promoted, in the folder of the files.
MANIFEST = "manifest.json"
#: Held by who replaces files in a folder. The folder itself is held by a training as long as that goes on (claim.py).
_LOCK = ".export.lock"
#: In its place until the checks are done, under a temporary name.
_STAGE = "export"


@contextmanager
def staging(folder: Path, named: Path | None = None) -> Iterator[Path]:
    """A new folder inside `folder`, so that its files can be renamed into place; it is gone afterwards.

    A folder that had to be made and into which nothing came is gone again, too.

    Args:
        named: what the user called the result, for an error; None for the folder.

    Raises:
        StorytellerError: the folder cannot be made or written to.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        with naming_what_failed(named or folder), temporary_beside(folder / _STAGE, folder=True) as stage:
            yield stage
    finally:
        for place in made:
            with suppress(OSError):  # something came into it
                place.rmdir()


def deliver(stage: Path, folder: Path, reports: Sequence[Verification], *, allow_unjudged: bool) -> None:
    """Moves the files of a stage to where they belong, with the report on them, if they are good.

    Args:
        stage: from `staging(folder)`; holds the files under their names.
        reports: on these files, by their final paths.
        allow_unjudged: take files that no data judged.

    Raises:
        StorytellerError: they are not good: every reason, and where they are kept. Nothing was replaced.
    """
    verdict = overall(reports)
    with naming_what_failed(folder):  # the stage is none of the user's
        (stage / REPORT_NAME).write_text(report_text(reports), encoding="utf-8")
    if verdict is Verdict.PASSED or (verdict is Verdict.UNJUDGED and allow_unjudged):
        with alone(folder):
            replace_all(stage, folder)
            # What lies here now is an export that nobody has promoted.
            (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder / FAILED, ignore_errors=True)
        return
    kept = folder / FAILED
    shutil.rmtree(kept, ignore_errors=True)
    stage.rename(kept)
    failed = verdict is Verdict.FAILED
    outcome = "failed its checks" if failed else "could not be judged (--allow-unjudged takes it as it is)"
    raise StorytellerError(
        f"{folder}: nothing was replaced: the export {outcome}; it lies in {kept}:",
        details=[f"  {Path(report.file).name}: {problem}" for report in reports for problem in report.problems()],
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other command replaces files in this folder, which takes moments: files of two are never mixed.

    Raises:
        StorytellerError: the folder cannot be written to.
    """
    place = folder / _LOCK
    with naming_what_failed(folder):
        lock = _locked(place)
    try:
        yield
    finally:
        place.unlink(missing_ok=True)
        os.close(lock)


def _locked(place: Path) -> int:
    """The open descriptor of a lock file, of which only one process at a time has the lock."""
    while True:
        descriptor = os.open(place, os.O_CREAT | os.O_RDWR, 0o666)
        with suppress(OSError):  # no locks here, as on some network file systems, where nobody waits
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), place.stat()):
                return descriptor
        os.close(descriptor)  # who had the lock has removed the file


def replace_all(stage: Path, folder: Path) -> None:
    """Renames every file of a stage into a folder: all of them or, on an error or Ctrl-C, none.

    Where a name in the folder is a symbolic link, the file behind it is replaced, wherever that lies.

    A process that is killed between two of the renames, which follow each other at once, leaves a part of them done.

    Raises:
        StorytellerError: one of them cannot be replaced.
    """
    files = sorted(path for path in stage.iterdir() if path.is_file())
    old = stage / "old"
    old.mkdir()
    done: list[tuple[str, Path]] = []
    with ExitStack() as stack:
        try:
            places = [place_of(folder / file.name) for file in files]
            ready = [_beside(file, folder, place, stack) for file, place in zip(files, places, strict=True)]
            for file, new, place in zip(files, ready, places, strict=True):
                if place.exists():
                    _keep(place, old / file.name)
                new.replace(place)
                done.append((file.name, place))
        except BaseException as error:
            for name, place in done:
                if (old / name).exists():
                    shutil.move(old / name, place)
                else:
                    place.unlink()
            if isinstance(error, OSError):
                where = folder / files[min(len(done), len(files) - 1)].name
                raise StorytellerError(f"{where}: cannot be replaced: {error.strerror}; nothing was") from error
            raise


def _beside(file: Path, folder: Path, place: Path, stack: ExitStack) -> Path:
    """The file, flushed to disk, where it can be renamed to its place: a copy where a link leads to another folder."""
    if place != folder / file.name:
        copy = stack.enter_context(temporary_beside(place))
        shutil.copyfile(file, copy)
        file = copy
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return file


def _keep(file: Path, copy: Path) -> None:
    """A second name for the same content, or a copy where the file system has no hard links."""
    try:
        copy.hardlink_to(file)
    except OSError:
        shutil.copy2(file, copy)
