"""What a run came to: `run.json`, and the table that is printed at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table
from storyteller_schema.contract.predictions import HEADS

from storyteller_trainer.character.data.data_summary import DataSummary
from storyteller_trainer.character.data.manifest import IrreducibleLoss
from storyteller_trainer.character.model.metrics import Metrics
from storyteller_trainer.character.rules.report import RulesReport

#: The field whose labels are hardly ever 1.
SHIFT = "emotion.awareness_shift"


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `run.json`; losses and metrics are those of the best epoch on the validation side."""

    #: Whether the run came to its end, by its number of epochs or by patience.
    finished: bool
    epochs: int
    best_epoch: int
    val_loss: float
    head_losses: dict[str, float]
    term_losses: dict[str, float]
    #: The lowest loss that the data's labels allow, with the same head weights; None where that is not known.
    irreducible: IrreducibleLoss | None
    #: By field, the highest accuracy to be expected of any model; empty where that is not known.
    best_accuracy: dict[str, float]
    metrics: Metrics
    #: Spent in the loop, over all resumed parts.
    seconds: float
    #: The path of the best one.
    checkpoint: str
    device: str
    #: By which each process computed what is not done by another device; 0 in files of versions that did not note it.
    threads: int = 0
    data: DataSummary
    #: Whether the data's labels follow the engine's rules; None in files of versions that did not look.
    rules: RulesReport | None = None
    recipe: dict[str, Any]
    versions: dict[str, str]


def summary_tables(summary: RunSummary) -> list[Table]:
    """Losses by head, then how often the predictions are right."""
    return [_losses(summary), _accuracies(summary)]


def _losses(summary: RunSummary) -> Table:
    lowest = summary.irreducible
    title = f"validation side, epoch {summary.best_epoch} of {summary.epochs}"
    table = Table("loss", title=title, title_justify="left")
    for heading in ("weight", "validation", *(("irreducible", "excess") if lowest else ())):
        table.add_column(heading, justify="right")
    rows = [(name, f"{summary.recipe[f'{name}_weight']:g}", summary.head_losses[name]) for name in HEADS]
    for name, weight, loss in (*rows, ("total", "", summary.val_loss)):
        floor = [getattr(lowest, name)] if lowest else []
        table.add_row(name, weight, *(f"{value:.4f}" for value in (loss, *floor, *(loss - value for value in floor))))
    return table


def _accuracies(summary: RunSummary) -> Table:
    """Binary predictions are read twice: cut at a probability of one half, and where the engine cuts."""
    metrics, best = summary.metrics, summary.best_accuracy
    table = Table("prediction")
    for heading in ("accuracy", "engine's cut", *(("at best",) if best else ())):
        table.add_column(heading, justify="right")

    def add(name: str, *figures: float | None) -> None:
        shown = [*figures, *([best.get(name)] if best else [])]
        table.add_row(name, *("" if figure is None else f"{figure:.1%}" for figure in shown))

    for name, categorical in metrics.categorical.items():
        add(name, categorical.accuracy, None)
    for name, continuous in metrics.continuous.items():
        if continuous.accuracy is not None:
            add(name, continuous.accuracy, None)
    for name, binary in metrics.binary.items():
        add(name, binary.at_even_odds.accuracy, binary.as_engine.accuracy)
        add(f"{name} F1", binary.at_even_odds.f1, binary.as_engine.f1)
    return table


def closing_lines(summary: RunSummary) -> list[str]:
    """What does not fit into a table: first what may look wrong in one."""
    delta = summary.term_losses["emotion.intensity_delta"]
    ended = "finished" if summary.finished else "not finished"
    return [
        *_beyond_best(summary),
        *_never_yes(summary),
        f"squared error of the intensity deltas: {delta:.5f}",
        *([summary.rules.line()] if summary.rules else []),
        f"{ended} in {summary.seconds:.1f} s on {summary.device}; "
        f"trained on {summary.data.train_examples} examples, judged on {summary.data.validation_examples}",
        f"best checkpoint: {Path(summary.checkpoint)}",
    ]


def _beyond_best(summary: RunSummary) -> list[str]:
    """Why an accuracy is higher than the best that can be expected, where one is."""
    metrics, best = summary.metrics, summary.best_accuracy
    reached = {name: (entry.accuracy, entry.examples) for name, entry in metrics.categorical.items()}
    judged = summary.data.validation_examples
    reached |= {
        name: (max(entry.at_even_odds.accuracy, entry.as_engine.accuracy), judged)
        for name, entry in metrics.binary.items()
    }
    lines = []
    for name, (accuracy, examples) in reached.items():
        limit = best.get(name, 1.0)
        if accuracy > limit:
            scatter = math.sqrt(limit * (1 - limit) / examples)
            lines.append(
                f"{name} {accuracy:.1%} is above the {limit:.1%} at best, which is what the best model reaches on "
                f"average: chance moves an accuracy on {examples} examples by about {scatter:.1%} either way"
            )
    return lines


def _never_yes(summary: RunSummary) -> list[str]:
    """Why an F1 of 0 is no fault, where the shifts have one."""
    shift = summary.metrics.binary[SHIFT]
    if shift.at_even_odds.f1 or shift.as_engine.f1:
        return []
    return [
        f"{SHIFT} F1 0.0% means that no output says yes: by the engine's rules no shift is likelier than 0.1, "
        f"below either cut, so the best model never says yes and is right in {1 - shift.rate:.1%}"
    ]
