"""What a run came to: `run.json`, and the tables that are printed at the end."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.table import Table

from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.training.evaluation import Evaluation
from storyteller_trainer.events.training.recipe import Recipe
from storyteller_trainer.runs.run_files import BEST


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The training file and how it was divided."""

    file: str
    #: SHA-256, hex, of the file.
    hash: str
    #: Part (`train`, `validation`, `random`, `skeletons`) to its examples, and to the skeletons they have.
    examples: dict[str, int]
    skeletons: dict[str, int]
    #: What of the data the labels cannot express.
    notices: list[str]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `run.json`. The scores are those of the best epoch."""

    #: Whether the run came to its end, by its number of epochs or by patience, and its best epoch was scored.
    finished: bool
    task: Task
    encoder: str
    family: str
    parameters: int
    epochs: int
    best_epoch: int
    #: `validation` chose the epoch; `random` and `skeletons` were held out, and are scored when the run is finished.
    scores: dict[str, Evaluation]
    #: Spent in training steps, and what came through in a second.
    seconds: float
    examples_per_second: float
    device: str
    #: By which was computed what is not done by another device; 0 in files of versions that did not note it.
    threads: int = 0
    data: DataSummary
    recipe: Recipe
    versions: dict[str, str]


#: How the parts are called where a person reads them.
PART_TITLES = {
    "validation": "validation",
    "random": "held out: random",
    "skeletons": "held out: unseen skeletons",
}


def summary_tables(summary: RunSummary) -> list[Table]:
    """The headline scores side by side, then F1 for every class."""
    parts = {name: summary.scores[name] for name in PART_TITLES}
    title = f"{summary.task}: best epoch {summary.best_epoch} of {summary.epochs}"
    table = Table("score", title=title, title_justify="left")
    for name in parts:
        table.add_column(PART_TITLES[name], justify="right")
    headlines = {name: evaluation.summary() for name, evaluation in parts.items()}
    for score in headlines["validation"]:
        table.add_row(score.replace("_f1", " F1"), *(f"{headlines[name][score]:.4f}" for name in parts))
    table.add_section()
    for attribute in ("events", "entities"):
        scores = {name: getattr(evaluation, attribute) for name, evaluation in parts.items()}
        if scores["validation"] is None:
            continue
        for label in scores["validation"].classes:
            rows = [scores[name].classes[label] for name in parts]
            table.add_row(f"F1 {label}", *(f"{row.f1:.4f} of {row.support}" for row in rows))
    return [table]


def closing_lines(summary: RunSummary, folder: Path) -> list[str]:
    """What does not fit into the table."""
    counts = summary.data.examples
    held_out = f"held out {counts['random']} random ones and {counts['skeletons']} of unseen skeletons"
    return [
        f"trained on {counts['train']} examples of {summary.data.skeletons['train']} skeletons; {held_out}",
        f"{summary.seconds:.0f} s of training on {summary.device}, {summary.examples_per_second:.0f} examples/s",
        f"best checkpoint: {folder / BEST}",
    ]
