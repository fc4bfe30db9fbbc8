"""`list-runs`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from storyteller_schema.common.console import command, out, print_json
from storyteller_schema.common.options import INPUT, json_option
from storyteller_schema.common.settings import ARTIFACTS

from storyteller_trainer.runs.run_files import CHARACTER_RUN, EVENT_RUNS, LAST, SUMMARY
from storyteller_trainer.runs.run_place import RUNS

T = TypeVar("T")


@command("list-runs")
@click.argument("places", metavar="[PLACE]...", nargs=-1, type=INPUT)
@json_option
def main(places: tuple[Path, ...], as_json: bool) -> None:
    """List training runs of every kind of model, the oldest first: what was trained, how far, and how good it is.

    PLACE is a run or a folder of runs; by default all in artifacts/runs, artifacts/character and artifacts/events. What
    a run does not say of itself, as those of earlier versions, is left empty.

    \b
    Example:
      list-runs
    """
    # The runs to which links lead, one of the character model and one of each task of the event models.
    latest = {link.resolve() for link in (CHARACTER_RUN, *EVENT_RUNS.glob("*")) if link.is_symlink()}
    runs = [_row(folder, latest) for folder in _folders(places or (RUNS, CHARACTER_RUN, EVENT_RUNS))]
    runs.sort(key=lambda row: (row["started"], row["run"]))
    if as_json:
        print_json(runs)
        return
    if not runs:
        out.print(f"no run in {', '.join(map(str, places or (ARTIFACTS,)))}")
        return
    from rich.table import Table

    table = Table("run", "model", "state", box=None, header_style="bold")
    for heading in ("epochs", "best", "score"):
        table.add_column(heading, justify="right")
    for heading in ("started", "commit", "data", "differs"):
        table.add_column(heading)
    for row in runs:
        differs = ", ".join(f"{name} {value}" for name, value in row["differs"].items())
        commit = row["commit"][:9] + ("+" if row["dirty"] else "")
        best = "" if row["best_epoch"] is None else str(row["best_epoch"])
        name = f"{row['run']}{' (latest)' if row['latest'] else ''}"
        figures = (str(row["epochs"]), best, row["score"])
        table.add_row(name, row["model"], row["state"], *figures, row["started"], commit, row["data"], differs)
    out.print(table)


def _folders(places: tuple[Path, ...]) -> Iterator[Path]:
    """Every run in some places, each once: the places themselves, and what lies in them up to two folders deep."""
    seen: set[Path] = set()
    for place in places:
        for folder in (place, *sorted(place.glob("*")), *sorted(place.glob("*/*"))):
            is_run = any((folder / name).is_file() for name in (SUMMARY, LAST))
            if is_run and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder


def _row(folder: Path, latest: set[Path]) -> dict[str, Any]:
    try:
        told = json.loads((folder / SUMMARY).read_bytes(), parse_constant=lambda word: None)
    except (OSError, ValueError, RecursionError):
        told = {}
    finished = _at(told, bool, "finished")
    return {
        "run": str(folder),
        "model": _at(told, str, "task") or ("character" if _at(told, dict, "head_losses") is not None else ""),
        "state": "finished" if finished else "not finished" if finished is False else "unknown",
        "latest": folder.resolve() in latest,
        "epochs": _at(told, int, "epochs") or 0,
        "best_epoch": _at(told, int, "best_epoch"),
        "score": _score(told),
        "started": _at(told, str, "started") or "",
        "commit": _at(told, str, "commit") or "",
        "dirty": _at(told, bool, "dirty"),
        "data": _at(told, str, "data", "file") or "",
        "data_hash": _at(told, str, "data", "hash") or "",
        "differs": _at(told, dict, "differs") or {},
    }


def _at(told: object, kind: type[T], *keys: str) -> T | None:
    """What a summary says in a place; None where that is nothing, or nothing of this kind: the file may be damaged."""
    for key in keys:
        told = told.get(key) if isinstance(told, dict) else None
    return told if isinstance(told, kind) and isinstance(told, bool) is (kind is bool) else None


def _score(told: object) -> str:
    """The validation loss of a character run; macro F1 and entity F1 on the validation part of an event run."""
    loss = _at(told, float, "val_loss")
    if loss is not None:
        return f"loss {loss:.4f}"
    found = []
    for name, kind, average in (("kinds", "events", "macro"), ("entities", "entities", "micro")):
        score = _at(told, float, "scores", "validation", kind, average, "f1")
        if score is not None:
            found.append(f"{name} F1 {score:.4f}")
    return ", ".join(found)
