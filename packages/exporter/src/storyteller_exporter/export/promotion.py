"""A model takes the place of the engine's only when it passes every check and is not worse than what it replaces."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.reading.jsonl import sha256

from storyteller_exporter.checks.verification_report import Verification
from storyteller_exporter.evaluate.character_model import is_onnx, of_checkpoint, open_model
from storyteller_exporter.export.character import export_character
from storyteller_exporter.export.delivery import replace_all, staging
from storyteller_exporter.report.comparison import Comparison, compare_models, data_of
from storyteller_exporter.report.model_card import MODEL_CARD, CardFile, model_card
from storyteller_exporter.report.run_record import read_run
from storyteller_exporter.verify.verification import REPORT_NAME, verify_file, write_report

#: What was promoted, beside the file.
MANIFEST = "manifest.json"
#: The folder, inside that of the models, of what was replaced.
PREVIOUS = "previous"
#: The files that go together.
FILES = (CHARACTER.file_name, REPORT_NAME, MODEL_CARD, MANIFEST)
#: By how much the weighted loss may be higher than that of the model that is replaced; the reference recipe's seeds
#: differ by several times as much.
MARGIN = 0.01


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a model that was to be promoted."""

    promoted: bool
    #: Why, or why not: a sentence each.
    reasons: list[str]
    candidate: str
    #: The file that the engine loads.
    target: str
    margin: float
    #: None where the engine had no file.
    comparison: Comparison | None
    #: SHA-256, hex, of the file that the engine has now, and of the one before; None where there is none.
    sha256: str | None
    previous_sha256: str | None


def promote(
    candidate: Path, models: Path, *, checkpoint: Path | None = None, data: Path | None = None, margin: float = MARGIN
) -> Promotion:
    """Verifies a model, compares it with what the engine has, and replaces that if nothing speaks against it.

    What is replaced is kept in `previous/`, from where `rollback` brings it back.

    Args:
        candidate: a run or a checkpoint, which is exported for it, or an ONNX file.
        models: the folder from which the engine loads its models.
        checkpoint: of an ONNX file, for parity and held-out examples.
        data: to compare on; None for that of the run.
        margin: the weighted loss may be higher by this much, at the upper end of the difference's interval.

    Raises:
        StorytellerError: the candidate cannot be read, exported or compared, or a file cannot be written.
    """
    target = models / CHARACTER.file_name
    run = checkpoint or (None if is_onnx(candidate) else candidate)
    reasons = _unfinished(run)
    with staging(models) as stage:
        file = stage / CHARACTER.file_name
        verification = _verified(candidate, file, run, data)
        verification.file = str(target)
        reasons += verification.problems()
        comparison = _compared(target, file, run, data) if target.is_file() else None
        if comparison is not None and comparison.deciding.high > margin:
            total = comparison.deciding
            reasons.append(
                f"it may be worse than what it would replace: the weighted loss differs by {total.difference:+.4f}, at "
                f"95 % by up to {total.high:+.4f}, and {margin:g} is allowed"
            )
        before = sha256(target) if target.is_file() else None
        if reasons:
            return Promotion(
                promoted=False,
                reasons=reasons,
                candidate=str(candidate),
                target=str(target),
                margin=margin,
                comparison=comparison,
                sha256=before,
                previous_sha256=None,
            )
        found = Promotion(
            promoted=True,
            reasons=[_why(comparison, margin)],
            candidate=str(candidate),
            target=str(target),
            margin=margin,
            comparison=comparison,
            sha256=verification.sha256,
            previous_sha256=before,
        )
        write_report([verification], stage / REPORT_NAME)
        card = CardFile(file.name, file.stat().st_size, verification.sha256, verification.metadata)
        (stage / MODEL_CARD).write_text(model_card([card]), encoding="utf-8")
        (stage / MANIFEST).write_text(_manifest(found, stage), encoding="utf-8")
        _keep(models)
        replace_all(stage, models)
    return found


def rollback(models: Path) -> Promotion:
    """Brings back what the last promotion replaced; what is there now takes its place in `previous/`.

    Raises:
        StorytellerError: nothing was kept, it has changed since, or a file cannot be written.
    """
    kept, target = models / PREVIOUS, models / CHARACTER.file_name
    if not (kept / CHARACTER.file_name).is_file():
        raise StorytellerError(f"{kept}: holds no {CHARACTER.file_name}: nothing was promoted over another file here")
    told = _told(kept / MANIFEST)
    found = sha256(kept / CHARACTER.file_name)
    if told and told != found:
        raise StorytellerError(f"{kept / CHARACTER.file_name}: its SHA-256 is {found}, and {MANIFEST} says {told}")
    before = sha256(target) if target.is_file() else None
    with staging(models) as stage:
        for name in FILES:
            if (kept / name).is_file():
                shutil.copyfile(kept / name, stage / name)
        _keep(models)
        _clear(models, stage)
        replace_all(stage, models)
    return Promotion(
        promoted=True,
        reasons=["the file from before the last promotion is back"],
        candidate=str(kept / CHARACTER.file_name),
        target=str(target),
        margin=0.0,
        comparison=None,
        sha256=found,
        previous_sha256=before,
    )


def concerns(checkpoint: Path, target: Path, data: Path | None) -> list[str]:
    """What speaks against replacing a file by an export of this run: the run is unfinished, or worse on the same data.

    Nothing is said where the two cannot be compared: export does not depend on it.
    """
    found = _unfinished(checkpoint)
    if target.is_file():
        try:
            engine, own = open_model(target), of_checkpoint(checkpoint)
            comparison = compare_models(engine, own, data_of((own,), data))
        except StorytellerError:
            return found
        if comparison.deciding.low > 0:
            total = comparison.deciding
            found.append(
                f"this run is worse than {target}, which it replaces: weighted loss {total.second:.4f} against "
                f"{total.first:.4f} on {comparison.examples:,} held-out examples"
            )
    return found


def _unfinished(run: Path | None) -> list[str]:
    if run is None:
        return []
    folder = run if run.is_dir() else run.parent
    record = read_run(folder)
    if record.summary.get("finished") is False:
        return [f"the run {folder} is not finished: it stopped after {record.summary.get('epochs', 0)} epochs"]
    return []


def _verified(candidate: Path, file: Path, run: Path | None, data: Path | None) -> Verification:
    """The candidate as a file of the stage, verified."""
    if not is_onnx(candidate):
        with staging(file.parent) as inner:
            export_character(candidate, inner / file.name, data=data)
            shutil.copyfile(inner / file.name, file)
    else:
        source = candidate / CHARACTER.file_name if candidate.is_dir() else candidate
        shutil.copyfile(source, file)
    return verify_file(file, checkpoint=run, data=data)


def _compared(target: Path, file: Path, run: Path | None, data: Path | None) -> Comparison:
    engine, own = open_model(target), open_model(file)
    place = data_of(() if run is None else (of_checkpoint(run),), data)
    return compare_models(engine, own, place)


def _why(comparison: Comparison | None, margin: float) -> str:
    if comparison is None:
        return "it passed every check, and there was no file to compare with"
    total = comparison.deciding
    return (
        f"it passed every check, and its weighted loss differs by {total.difference:+.4f} ({total.low:+.4f} to "
        f"{total.high:+.4f}), which is within the margin of {margin:g}"
    )


def _manifest(found: Promotion, stage: Path) -> str:
    told: dict[str, Any] = {
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "candidate": found.candidate,
        "files": {name: sha256(stage / name) for name in FILES if (stage / name).is_file()},
        "previous_sha256": found.previous_sha256,
        "margin": found.margin,
        "reasons": found.reasons,
    }
    return json.dumps(told, indent=2) + "\n"


def _told(manifest: Path) -> str | None:
    """The SHA-256 of the model's file, as a manifest says it; None where there is none, as beside a plain export."""
    try:
        found = json.loads(manifest.read_bytes())["files"][CHARACTER.file_name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def _keep(models: Path) -> None:
    """Copies what is about to be replaced into `previous/`."""
    if not (models / CHARACTER.file_name).is_file():
        return
    kept = models / PREVIOUS
    with staging(kept) as stage:
        for name in FILES:
            if (models / name).is_file():
                shutil.copyfile(models / name, stage / name)
        _clear(kept, stage)
        replace_all(stage, kept)


def _clear(folder: Path, stage: Path) -> None:
    """Removes files that the stage does not replace, so that none speaks of another model."""
    for name in FILES:
        if not (stage / name).is_file():
            (folder / name).unlink(missing_ok=True)
