"""A model takes the place of the engine's only when it passes every check and is not worse than what it replaces.

What it is for a model to be one of characters or of events is said in character_promotion.py and event_promotion.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.reading.jsonl import sha256

from storyteller_exporter.checks.verification_report import Verification
from storyteller_exporter.export.candidate import Candidate, unfinished
from storyteller_exporter.export.delivery import MANIFEST, alone, replace_all, staging
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.model_card import MODEL_CARD, CardFile, model_card
from storyteller_exporter.verify.verification import REPORT_NAME, report_text

#: The folder, inside that of the files, of what was replaced.
PREVIOUS = "previous"
#: What goes with the files of every model.
COMPANIONS = (REPORT_NAME, MODEL_CARD, MANIFEST)
#: By how much the deciding figure may be worse than that of the model that is replaced: the weighted loss, of which the
#: reference recipe's seeds differ by several times as much, or the mean F1.
MARGIN = 0.01


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a model that was to be promoted."""

    promoted: bool
    #: Why, or why not: a sentence each.
    reasons: list[str]
    candidate: str
    #: The file, or the folder of the files, that the engine loads.
    target: str
    margin: float
    #: None where the engine had none.
    comparison: Comparison | None
    #: File to SHA-256, hex: what the engine has now, and what this replaced.
    files: dict[str, str]
    previous_files: dict[str, str]


def promote(candidate: Candidate, margin: float = MARGIN) -> Promotion:
    """Verifies a model, compares it with what the engine has, and replaces that if nothing speaks against it.

    What is replaced is kept in `previous/`, from where `rollback` brings it back.

    Args:
        margin: the deciding figure may be worse by this much, at the worse end of the difference's interval.

    Raises:
        StorytellerError: the candidate cannot be read, exported or compared, what it was compared with has been
            replaced meanwhile, or a file cannot be written.
    """
    folder, names = candidate.folder, candidate.files
    reasons = unfinished(candidate.runs())
    before = _hashes(folder, names)
    with staging(folder) as stage:
        verifications = candidate.put(stage)
        for one in verifications:
            one.file = str(folder / Path(one.file).name)
            reasons += one.problems()
        comparison = candidate.compare(stage) if len(before) == len(names) else None
        reasons += _too_bad(comparison, margin)
        told: dict[str, Any] = {
            "candidate": str(candidate.place),
            "target": str(folder / names[0] if len(names) == 1 else folder),
            "margin": margin,
            "comparison": comparison,
        }
        if reasons:
            return Promotion(promoted=False, reasons=reasons, files=before, previous_files={}, **told)
        found = Promotion(
            promoted=True,
            reasons=[_why(comparison, margin)],
            files=_hashes(stage, names),
            previous_files=before,
            **told,
        )
        (stage / REPORT_NAME).write_text(report_text(verifications), encoding="utf-8")
        (stage / MODEL_CARD).write_text(model_card([_card(one, stage) for one in verifications]), encoding="utf-8")
        (stage / MANIFEST).write_text(_manifest(found, stage), encoding="utf-8")
        with alone(folder):
            if _hashes(folder, names) != before:
                raise StorytellerError(f"{folder}: another command has replaced the model meanwhile; start again")
            _keep(folder, names)
            replace_all(stage, folder)
    return found


def rollback(folder: Path, names: Sequence[str]) -> Promotion:
    """Brings back what the last promotion replaced; what is there now takes its place in `previous/`.

    Args:
        folder: of the files that are the model, by their names.

    Raises:
        StorytellerError: nothing was kept, it has changed since, or a file cannot be written.
    """
    kept = folder / PREVIOUS
    missing = [name for name in names if not (kept / name).is_file()]
    if missing:
        raise StorytellerError(f"{kept}: holds no {missing[0]}: nothing was promoted over another file here")
    with alone(folder):
        found, told = _hashes(kept, names), _told(kept / MANIFEST)
        for name, digest in found.items():
            if told.get(name, digest) != digest:
                raise StorytellerError(f"{kept / name}: its SHA-256 is {digest}, and {MANIFEST} says {told[name]}")
        before = _hashes(folder, names)
        with staging(folder) as stage:
            _copy(kept, stage, (*names, *COMPANIONS))
            _keep(folder, names)
            _clear(folder, stage, names)
            replace_all(stage, folder)
    return Promotion(
        promoted=True,
        reasons=["what was there before the last promotion is back"],
        candidate=str(kept),
        target=str(folder / names[0] if len(names) == 1 else folder),
        margin=0.0,
        comparison=None,
        files=found,
        previous_files=before,
    )


def _too_bad(comparison: Comparison | None, margin: float) -> list[str]:
    if comparison is None or comparison.deciding.worst_case <= margin:
        return []
    found = comparison.deciding
    at_worst = found.high if found.lower_is_better else found.low
    return [
        f"it may be worse than what it would replace: the {comparison.decides} differs by {found.difference:+.4f}, at "
        f"95 % by up to {at_worst:+.4f}, and {margin:g} is allowed"
    ]


def _why(comparison: Comparison | None, margin: float) -> str:
    if comparison is None:
        return "it passed every check, and there was nothing to compare with"
    found = comparison.deciding
    return (
        f"it passed every check, and its {comparison.decides} differs by {found.difference:+.4f} ({found.low:+.4f} to "
        f"{found.high:+.4f}), which is within the margin of {margin:g}"
    )


def _card(one: Verification, stage: Path) -> CardFile:
    file = stage / Path(one.file).name
    return CardFile(file.name, file.stat().st_size, one.sha256, one.metadata)


def _manifest(found: Promotion, stage: Path) -> str:
    told: dict[str, Any] = {
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "candidate": found.candidate,
        "files": _hashes(stage, (*found.files, *COMPANIONS)),
        "previous_files": found.previous_files,
        "margin": found.margin,
        "reasons": found.reasons,
    }
    return json.dumps(told, indent=2) + "\n"


def _told(manifest: Path) -> Mapping[str, str]:
    """File to SHA-256, as a manifest says it; nothing where there is none, as beside a plain export."""
    try:
        found = json.loads(manifest.read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Of the files that are there."""
    return {name: sha256(folder / name) for name in names if (folder / name).is_file()}


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _keep(folder: Path, names: Sequence[str]) -> None:
    """Copies what is about to be replaced into `previous/`."""
    if not _hashes(folder, names):
        return
    kept = folder / PREVIOUS
    with staging(kept) as stage:
        _copy(folder, stage, (*names, *COMPANIONS))
        _clear(kept, stage, names)
        replace_all(stage, kept)


def _clear(folder: Path, stage: Path, names: Sequence[str]) -> None:
    """Removes files that the stage does not replace, so that none speaks of another model."""
    for name in (*names, *COMPANIONS):
        if not (stage / name).is_file():
            (folder / name).unlink(missing_ok=True)
