"""Going on with a run: what it says of itself, and that it is still the same one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.runs.run_files import LAST
from storyteller_trainer.runs.tensor_file import M, read_metadata


def read_saved(folder: Path, kind: type[M], *, resume: bool) -> M | None:
    """What the `last` of a run says that is to go on; None where none is to, or where there is no such file.

    Raises:
        StorytellerError: the file is damaged, or another kind of run's.
    """
    last = folder / LAST
    return read_metadata(last, kind) if resume and last.exists() else None


def require_same(
    last: Path, saved: Mapping[str, object], asked: Mapping[str, object], free: Collection[str] = ()
) -> None:
    """Refuses to go on with a run by other settings than its own.

    Args:
        last: the run's file.
        saved: the run's settings; asked: those of the command; `free`: which may differ.

    Raises:
        StorytellerError: naming every setting that differs, as in `seed 42 -> 7`.
    """
    changes = [
        f"{name} {saved[name]} -> {value}" for name, value in asked.items() if value != saved[name] and name not in free
    ]
    if changes:
        raise StorytellerError(
            f"{last}: a resumed run keeps its settings, but these differ: {', '.join(changes)}; leave the options out, "
            "or train anew without --resume"
        )
