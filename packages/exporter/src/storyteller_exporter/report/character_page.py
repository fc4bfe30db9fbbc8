"""The page of a character run: what it did, how good it is, where it is wrong, and whether it may be shipped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.hints import hint
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint
from storyteller_trainer.character.rules.report import RulesReport

from storyteller_exporter.character.cases import random_features
from storyteller_exporter.evaluate.character_evaluation import evaluate
from storyteller_exporter.evaluate.character_model import of_checkpoint, open_model
from storyteller_exporter.evaluate.judged import find_examples, judge
from storyteller_exporter.evaluate.timing import PREDICTIONS, time_character_file
from storyteller_exporter.report import character_charts as charts
from storyteller_exporter.report.character_figures import Scored, figures
from storyteller_exporter.report.character_verdict import verdict
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.comparison_texts import comparison_text, figure_row
from storyteller_exporter.report.engine_comparison import against_engine, is_file_of
from storyteller_exporter.report.explorer import explorer_data
from storyteller_exporter.report.exported_files import latency_line, verified_files
from storyteller_exporter.report.page import render
from storyteller_exporter.report.run_record import RunRecord, read_run

#: Different rows that are asked for where latency is measured.
FEW = 100

PARTS = [
    ("verdict", "Verdict"),
    ("curves", "Training"),
    ("scores", "Losses and accuracies"),
    ("confusion", "Confusion"),
    ("calibration", "Calibration"),
    ("importance", "Importance"),
    ("data", "Data"),
    ("slices", "Slices"),
    ("mistakes", "Mistakes"),
    ("file", "Exported file"),
    ("comparison", "Comparison"),
    ("explorer", "Explorer"),
]


def character_page(run: Path, *, data: Path | None, models: Path) -> str:
    """The page of a run, of its best checkpoint.

    Args:
        run: the folder.
        data: where the examples are; None for what the run held out. Where that is gone, the page has what the run
            itself has written down.
        models: the folder of the engine's files, in which those of this run and their verification are looked for.

    Raises:
        StorytellerError: the run cannot be read, or the data that is named.
    """
    source = load_checkpoint(run)
    record = read_run(run)
    scored, why_not = _scored(source, data)
    verified = [file for folder in (models, models / "int8") for file in _verified(folder, source, scored)]
    comparison, trouble = against_engine(source, scored, models / CHARACTER.file_name)
    values: dict[str, Any] = {
        "title": f"Character model: run {run.resolve().name}",
        "subtitle": _subtitle(record, source),
        "parts": [part for part in PARTS if _has(part[0], scored, comparison)],
        "version": version("storyteller-exporter"),
        "verdict": verdict(record, scored, why_not, verified, comparison, trouble),
        "notices": scored.report.notices if scored else [],
        "repeat": _repeat(record, source),
        "recipe": sorted(source.metadata.config.items()),
        "origin": _origin(record),
        "versions": sorted(source.metadata.versions.items()),
        "curves": charts.curves(record.history, source.metadata.epoch, _irreducible(record)) if record.history else [],
        "why_not": why_not,
        "verified": verified,
        "models": models,
        "parameters": source.metadata.parameters,
        "engine_cut": charts.ENGINE_CUT,
        "report": scored.report if scored else None,
        "rules": _rules(record),
        "explorer": explorer_data(source.model, scored.judged) if scored else None,
        "comparison_rows": [figure_row(one) for one in comparison.figures] if comparison else [],
        "comparison_text": comparison_text(comparison) if comparison else "",
    }
    if scored:
        values |= figures(scored, source)
    return render("character.html", **values)


def _verified(folder: Path, source: Checkpoint, scored: Scored | None) -> list[dict[str, Any]]:
    return verified_files(
        folder,
        lambda interface, notes: interface == CHARACTER.name and is_file_of(source, notes),
        lambda file: _latency(file, scored),
    )


def _latency(file: Path, scored: Scored | None) -> str:
    try:
        open_model(file)  # in a process with limits first
    except StorytellerError as error:
        return f"Its latency was not measured: {error}"
    if scored is None:
        features = random_features(FEW, np.random.default_rng(0))
    else:
        features = np.asarray(scored.judged.data.features[scored.judged.rows[:FEW]])
    return latency_line("One prediction", time_character_file(file, features), PREDICTIONS)


def _has(part: str, scored: Scored | None, comparison: Comparison | None) -> bool:
    if part == "comparison":
        return comparison is not None
    return scored is not None or part in ("verdict", "curves", "scores", "file", "explorer")


def _scored(source: Checkpoint, data: Path | None) -> tuple[Scored | None, str]:
    """The evaluation, or why there is none; data that is named has to be there."""
    try:
        divided = find_examples(data, source)
    except StorytellerError as error:
        if data is not None:
            raise
        return None, str(error)
    model = of_checkpoint(source)
    judged = judge(model, divided.data, divided.held_out)
    return Scored(divided, judged, evaluate(model, divided, judged)), ""


def _irreducible(record: RunRecord) -> Mapping[str, float]:
    told = record.summary.get("irreducible") or {}
    return {name: told[name] for name in ("total", *HEADS) if name in told}


def _rules(record: RunRecord) -> list[str]:
    """What the run found of its data's labels: whether they follow the engine's rules, and how that is known."""
    try:
        found = msgspec.convert(record.summary.get("rules"), RulesReport)
    except msgspec.ValidationError:  # a run of an earlier version
        return []
    return [found.line(), *found.evidence()]


def _subtitle(record: RunRecord, source: Checkpoint) -> str:
    about = source.metadata
    parts = [f"{about.parameters:,} parameters", f"best epoch {about.epoch}", f"validation loss {about.val_loss:.4f}"]
    if "seconds" in record.summary:
        parts.append(f"{record.summary['seconds']:.0f} s on {record.summary.get('device', 'an unknown device')}")
    return ", ".join(parts)


def _repeat(record: RunRecord, source: Checkpoint) -> list[str]:
    """Lines for a shell that do the same training, export and verification again."""
    files = [file["path"] for file in record.summary.get("data", {}).get("files", [])]
    recipe = source.metadata.config
    lines = []
    if told := record.summary.get("command"):
        lines.append(told if isinstance(told, str) else " ".join(map(str, told)))
    else:
        options = [word for name, value in sorted(recipe.items()) for word in _option(name, value)]
        threads = ["--threads", str(source.metadata.threads)] if source.metadata.threads else []
        lines.append(hint("train-character-model", *options, *threads, data=[Path(file) for file in files]))
    lines.append(hint("export-character-model"))
    return lines


def _option(name: str, value: Any) -> list[str]:
    """The seed and the preset say most; what else differs stands in the table of the recipe."""
    return [f"--{name}", str(value)] if name in ("seed", "epochs") else []


def _origin(record: RunRecord) -> list[tuple[str, str]]:
    data = record.summary.get("data", {})
    rows = [(file["path"], f"SHA-256 {file['hash']}") for file in data.get("files", [])]
    for key in ("examples", "cells", "duplicates", "train_examples", "validation_examples"):
        if key in data:
            rows.append((key.replace("_", " "), f"{data[key]:,}"))
    for key in ("commit", "host", "started", "device", "threads"):
        if record.summary.get(key) not in (None, ""):
            rows.append((key, str(record.summary[key])))
    return rows
