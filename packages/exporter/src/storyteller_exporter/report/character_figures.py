"""Charts and tables of a character run's page: what its model shows on held-out examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.data.data_warnings import look_at
from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.model.checkpoint import Checkpoint
from storyteller_trainer.character.model.held_out import DividedData
from storyteller_trainer.character.rules.conditionals import NEVER_DRAWN

from storyteller_exporter.character.cases import evenly_spaced
from storyteller_exporter.evaluate.character_evaluation import CharacterReport
from storyteller_exporter.evaluate.judged import Judged
from storyteller_exporter.evaluate.row_figures import JUDGED
from storyteller_exporter.report import character_charts as charts
from storyteller_exporter.report.importance import ROWS, importance


@dataclass(frozen=True)
class Scored:
    """What a run's model showed on held-out examples."""

    divided: DividedData
    judged: Judged
    report: CharacterReport


def figures(scored: Scored, source: Checkpoint) -> dict[str, Any]:
    """What the page shows of the evaluation."""
    report, judged = scored.report, scored.judged
    rows = evenly_spaced(judged.rows, ROWS)
    features, labels = (np.asarray(table[rows]) for table in (judged.data.features, judged.data.labels))
    found = importance(source.model, features, labels, report.head_weights)
    heads = ["total", *HEADS]
    region_rows = [[found.regions[region][head] for head in heads] for region in found.regions]
    by_kind: dict[str, list[Any]] = {}
    for one in report.slices:
        by_kind.setdefault(one.kind, []).append(one)
    overall = report.losses["total"].loss.value
    return {
        "reliability": charts.reliability(report),
        "importance": found,
        "importance_rows": len(rows),
        "importance_heads": heads,
        "region_rows": region_rows,
        "region_scale": max(max(map(max, region_rows)), 1e-12),
        "fields_chart": charts.fields_that_matter(found.fields),
        "data_charts": [*charts.shares(judged.labels, report), charts.cell_sizes(judged.data.cells)],
        "slot_rows": _slots(features),
        **_warnings(scored.divided.data),
        "slice_charts": [charts.slice_losses(kind, ones, overall) for kind, ones in by_kind.items()],
        "slice_columns": ["slice", "examples", "cells", "loss", "interval", *JUDGED],
        "slice_rows": [
            [
                f"{one.kind}: {one.name}",
                f"{one.examples:,}",
                f"{one.cells:,}",
                f"{one.loss.value:.3f}",
                one.loss.reach(".3f"),
                *(_share(one.accuracy.get(name), name in one.weak) for name in JUDGED),
            ]
            for one in report.slices
        ],
        "loss_rows": [
            [name, f"{report.head_weights[name]:g}" if name in HEADS else "", *_loss(figure)]
            for name, figure in report.losses.items()
        ],
        "term_rows": [[name, *_loss(figure)] for name, figure in report.terms.items()],
        "accuracy_rows": [
            [
                name,
                f"{entry.as_engine.value:.1%}",
                entry.as_engine.reach(".1%"),
                "" if entry.at_even_odds is None else f"{entry.at_even_odds.value:.1%}",
                "" if entry.ceiling is None else f"{entry.ceiling:.1%}",
            ]
            for name, entry in report.accuracy.items()
        ],
    }


def _warnings(data: CharacterDataset) -> dict[str, Any]:
    """What `--validate-only` says of sound data; of so many examples as are looked at before a training."""
    found, rows = look_at(data, NEVER_DRAWN)
    return {
        "warnings": [one.text for one in found if one.serious],
        "notes": [one.text for one in found if not one.serious],
        "looked_at": "all examples" if rows == len(data) else f"{rows:,} examples, evenly spaced,",
    }


def _loss(figure: Any) -> list[str]:
    floor, excess = ("" if value is None else f"{value:.4f}" for value in (figure.irreducible, figure.excess))
    return [f"{figure.loss.value:.4f}", figure.loss.reach(".4f"), floor, excess]


def _share(estimate: Any, weak: bool) -> str:
    return "" if estimate is None else f"{estimate.value:.1%}{' (weak)' if weak else ''}"


def _slots(features: Any) -> list[list[str]]:
    rows = []
    for region in FEATURES.regions:
        slots = features[:, region.span].reshape(len(features), region.slots, region.per_slot).any(axis=2)
        rows.append([region.name, f"{slots.sum(axis=1).mean():.1f}", str(region.slots)])
    return rows
