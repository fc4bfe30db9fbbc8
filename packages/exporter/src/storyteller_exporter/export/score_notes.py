"""What a character file says of how good it is, so that its model card can be made from the file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storyteller_trainer.character.model.checkpoint import Checkpoint
from storyteller_trainer.character.model.held_out import DividedData

from storyteller_exporter.character.cases import evenly_spaced
from storyteller_exporter.character.file_metadata import DATA, SCORES, WEAK_SLICES
from storyteller_exporter.character.quality import ROWS
from storyteller_exporter.evaluate.character_evaluation import CharacterReport, evaluate
from storyteller_exporter.evaluate.character_model import of_checkpoint
from storyteller_exporter.evaluate.judged import judge
from storyteller_exporter.onnx import metadata_props


def score_notes(source: Checkpoint, found: DividedData | None) -> dict[str, str]:
    """Of the float32 weights, on at most `quality.ROWS` examples that the run held out.

    Args:
        found: None where there is no data any more; then what the checkpoint says of its validation side.
    """
    if found is None:
        about = source.metadata
        scores: dict[str, Any] = {
            "judged_on": "the validation side, by the checkpoint",
            "losses": {"total": {"value": about.val_loss}}
            | {name: {"value": loss} for name, loss in about.head_losses.items()},
        }
        return {SCORES: metadata_props.as_json(scores)}
    model = of_checkpoint(source)
    report = evaluate(model, found, judge(model, found.data, evenly_spaced(found.held_out, ROWS)), worst=0)
    notes = {SCORES: metadata_props.as_json(_scores(report)), WEAK_SLICES: metadata_props.as_json(_weak(report))}
    if found.split is not None:
        data = {
            "files": [Path(file.path).name for file in found.data.files],
            "examples": len(found.data),
            "cells": len(found.data.cell_names),
            "trained_on": len(found.training),
        }
        notes[DATA] = metadata_props.as_json(data)
    return notes


def _scores(report: CharacterReport) -> dict[str, Any]:
    what = "examples that the run held out" if report.data.held_out else "examples that are not the run's"
    return {
        "judged_on": f"{report.data.examples:,} {what}, of {report.data.cells:,} cells",
        "losses": {
            name: {
                "value": figure.loss.value,
                "low": figure.loss.low,
                "high": figure.loss.high,
                "irreducible": figure.irreducible,
            }
            for name, figure in report.losses.items()
        },
        "accuracy": {
            name: {
                "value": entry.as_engine.value,
                "low": entry.as_engine.low,
                "high": entry.as_engine.high,
                "at_even_odds": None if entry.at_even_odds is None else entry.at_even_odds.value,
                "ceiling": entry.ceiling,
            }
            for name, entry in report.accuracy.items()
        },
        "calibration_error": {name: found.ece for name, found in report.calibration.items()},
    }


def _weak(report: CharacterReport) -> list[dict[str, Any]]:
    return [
        {
            "slice": f"{one.kind} {one.name}",
            "field": field,
            "accuracy": one.accuracy[field].value,
            "of_all": report.accuracy[field].as_engine.value,
            "examples": one.examples,
        }
        for one in report.slices
        for field in one.weak
    ]
