"""The scores of the training run: shown always, and held against floors where somebody asks for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from storyteller_exporter.checks.verification_report import Status, Verification


@dataclass(frozen=True)
class Floors:
    """What a model must be worth, beyond giving PyTorch's numbers. None asks for nothing."""

    #: Of the character model's validation loss.
    max_loss: float | None = None
    #: Of every F1 of an event model.
    min_f1: float | None = None


def check_scores(report: Verification, floors: Floors) -> None:
    """Adds the scores of the run, and one check for each floor; a score that nobody knows is below any floor."""
    told = ", ".join(f"{name} {value:.4f}" for name, value in report.scores.items())
    if told:
        report.add("scores of the run", Status.OK, told)
    else:
        report.add("scores of the run", Status.WARNING, "neither a checkpoint nor the file says how good the model is")
    if floors.max_loss is not None:
        _hold(report, "loss", floors.max_loss, "--max-loss", at_most=True)
    if floors.min_f1 is not None:
        _hold(report, "F1", floors.min_f1, "--min-f1", at_most=False)


def _hold(report: Verification, measure: str, floor: float, option: str, *, at_most: bool) -> None:
    """The scores of the run whose names end in the measure, and those that the file itself was found to have."""
    values = {name: value for name, value in report.scores.items() if name.endswith(measure)}
    values |= {f"{each.name} of this file": each.found for each in report.changes if each.name.endswith(measure)}
    asked = f"{'at most' if at_most else 'at least'} {floor:g} is asked for ({option})"
    if not values:
        report.add(option, Status.FAILED, f"no {measure} of this model is known; {asked}")
        return
    bad = [
        f"{name} {value:.4f}"
        for name, value in values.items()
        if not math.isfinite(value) or (value > floor if at_most else value < floor)
    ]
    good = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
    report.judge(option, [f"{', '.join(bad)}; {asked}"] if bad else [], f"{good}; {asked}")
