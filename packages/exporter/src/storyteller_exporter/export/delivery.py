"""New files take the place of old ones only after they have passed their checks, and then all of them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from storyteller_schema.common.ctrl_c import half_written
from storyteller_schema.common.errors import StorytellerError

from storyteller_exporter.checks.verification_report import Verdict, Verification, overall
from storyteller_exporter.verify.files import REPORT_NAME, write_report

#: Where files that failed their checks are kept, in the folder that they were meant for.
FAILED = "failed-export"
#: In its place until the checks are done; a leading dot hides it.
_PREFIX = ".export."
#: Seconds after which a stage is taken for that of an export that was killed.
_ABANDONED = 86_400


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`, so that its files can be renamed into place; it is gone afterwards.

    A folder that had to be made and into which nothing came is gone again, too.

    Raises:
        StorytellerError: the folder cannot be made or written to.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_PREFIX}*"):
            if leftover.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(leftover, ignore_errors=True)
        # By its name: from Python 3.12 on the answer is absolute, and messages are to say what the user said.
        stage = folder / Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder)).name
        stage.chmod(folder.stat().st_mode & 0o777)  # mkdtemp makes private folders, and this one may be kept
    except OSError as error:
        raise StorytellerError(f"{folder}: cannot write here: {error.strerror}; choose another place") from error
    try:
        with half_written(stage):
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
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
    write_report(reports, stage / REPORT_NAME)
    if verdict is Verdict.PASSED or (verdict is Verdict.UNJUDGED and allow_unjudged):
        replace_all(stage, folder)
        shutil.rmtree(folder / FAILED, ignore_errors=True)
        return
    kept = folder / FAILED
    shutil.rmtree(kept, ignore_errors=True)
    stage.rename(kept)
    failed = verdict is Verdict.FAILED
    outcome = "failed its checks" if failed else "could not be judged (--allow-unjudged takes it as it is)"
    lines = [f"{folder}: nothing was replaced: the export {outcome}; it lies in {kept}:"]
    lines += [f"  {Path(report.file).name}: {problem}" for report in reports for problem in report.problems()]
    raise StorytellerError("\n".join(lines))


def replace_all(stage: Path, folder: Path) -> None:
    """Renames every file of a stage into a folder: all of them or, on an error or Ctrl-C, none.

    A process that is killed between two of the renames, which follow each other at once, leaves a part of them done.

    Raises:
        StorytellerError: one of them cannot be replaced.
    """
    files = sorted(path for path in stage.iterdir() if path.is_file())
    for file in files:
        with file.open("rb") as written:
            os.fsync(written.fileno())
    old = stage / "old"
    old.mkdir()
    done: list[str] = []
    try:
        for file in files:
            target = folder / file.name
            if target.exists():
                _keep(target, old / file.name)
            file.replace(target)
            done.append(file.name)
    except BaseException as error:
        for name in done:
            if (old / name).exists():
                (old / name).replace(folder / name)
            else:
                (folder / name).unlink()
        if isinstance(error, OSError):
            where = folder / files[len(done)].name
            raise StorytellerError(f"{where}: cannot be replaced: {error.strerror}; nothing was") from error
        raise


def _keep(file: Path, copy: Path) -> None:
    """A second name for the same content, or a copy where the file system has no hard links."""
    try:
        copy.hardlink_to(file)
    except OSError:
        shutil.copy2(file, copy)
