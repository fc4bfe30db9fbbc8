"""The result tables, with and without what the generator says is possible."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import msgspec
import pytest
import torch
from rich.console import Console
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.model.losses import TERMS
from storyteller_trainer.character.model.metrics import BinaryScore
from storyteller_trainer.character.rules.report import untold
from storyteller_trainer.character.training import run
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.character.training.summary import SHIFT, RunSummary, closing_lines, summary_tables

NAMES = [name for names in TERMS.values() for name in names]
CEILING = Ceiling(terms=dict.fromkeys(NAMES, 0.25), best_accuracy={"action.type": 0.33})


@pytest.fixture(scope="module")
def data(small_jsonl: Path) -> CharacterDataset:
    return load_dataset(small_jsonl, cache_dir=None)


@pytest.fixture(autouse=True)
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of these tests follow no rule, and what the manifest says would not be shown for them."""
    monkeypatch.setattr(run, "check_rules", lambda *arguments: untold(240, "for a test"))


def shown(data: CharacterDataset) -> str:
    """What is printed at the end of a short run, on a terminal of 80 columns."""
    options = {"epochs": 1, "batch_size": 64, "thought_weight": 0.5}
    summary = train_character_model(data, Path("run"), torch.device("cpu"), options=options)
    text = StringIO()
    console = Console(file=text, width=80)
    for part in (*summary_tables(summary), *closing_lines(summary)):
        console.print(part)
    return text.getvalue()


def row(text: str, name: str) -> list[str]:
    """The cells of the table's row that begins with a name."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines()]
    (found,) = (cells for cells in rows if cells[0] == name)
    return found


def test_losses_stand_beside_the_lowest_possible_ones(data: CharacterDataset) -> None:
    text = shown(replace(data, ceiling=CEILING))
    _, weight, loss, lowest, excess = row(text, "thought")
    assert (weight, lowest) == ("0.5", "0.5000"), "two terms of 0.25 each"
    assert float(excess) == pytest.approx(float(loss) - 0.5, abs=1e-4)
    expected = 0.35 * 5 * 0.25 + 0.2 * 3 * 0.25 + 0.5 * 2 * 0.25 + 0.25 * 2 * 0.25
    assert float(row(text, "total")[3]) == pytest.approx(expected, abs=1e-4), "with this run's weights"


def test_accuracies_stand_beside_the_best_possible_ones(data: CharacterDataset) -> None:
    text = shown(replace(data, ceiling=CEILING))
    assert row(text, "action.type")[3] == "33.0%"
    assert row(text, "thought.awareness")[3] == ""


def test_without_a_manifest_nothing_is_claimed(data: CharacterDataset) -> None:
    text = shown(data)
    assert "irreducible" not in text
    assert "at best" not in text
    assert len(row(text, "action")) == 3


def test_both_readings_of_the_binary_outputs_are_shown(data: CharacterDataset) -> None:
    text = shown(data)
    for name in ("speech.occurs", "speech.occurs F1", "emotion.awareness_shift", "emotion.awareness_shift F1"):
        assert all(cell.endswith("%") for cell in row(text, name)[1:])
    assert row(text, "action.type")[2] == "", "argmax has one reading"


def with_metrics(summary: RunSummary, *, accuracy: float, f1: float) -> RunSummary:
    """A run whose ActionType is as right, and whose shifts are as well found, as the arguments say."""
    metrics = summary.metrics
    action = msgspec.structs.replace(metrics.categorical["action.type"], accuracy=accuracy, examples=2500)
    reading = BinaryScore(accuracy=0.98, f1=f1)
    shift = msgspec.structs.replace(metrics.binary[SHIFT], rate=0.016, at_even_odds=reading, as_engine=reading)
    changed = msgspec.structs.replace(
        metrics,
        categorical=metrics.categorical | {"action.type": action},
        binary=metrics.binary | {SHIFT: shift},
    )
    return msgspec.structs.replace(summary, metrics=changed)


def test_figures_that_look_wrong_and_are_not_are_explained(data: CharacterDataset) -> None:
    options = {"epochs": 1, "batch_size": 64}
    told = replace(data, ceiling=CEILING)
    summary = train_character_model(told, Path("run"), torch.device("cpu"), options=options)
    lucky, silent, *_ = closing_lines(with_metrics(summary, accuracy=0.341, f1=0.0))
    # sqrt(0.33 x 0.67 / 2500) = 0.0094
    assert lucky.startswith("action.type 34.1% is above the 33.0% at best, which is what the best model reaches")
    assert lucky.endswith("chance moves an accuracy on 2500 examples by about 0.9% either way")
    assert silent.startswith("emotion.awareness_shift F1 0.0% means that no output says yes")
    assert "no shift is likelier than 0.1" in silent
    assert silent.endswith("is right in 98.4%")


def test_what_needs_no_explanation_gets_none(data: CharacterDataset) -> None:
    told = replace(data, ceiling=CEILING)
    summary = train_character_model(told, Path("run"), torch.device("cpu"), options={"epochs": 1, "batch_size": 64})
    lines = closing_lines(with_metrics(summary, accuracy=0.329, f1=0.2))
    assert lines[0].startswith("squared error of the intensity deltas")


def test_where_the_best_weights_are(data: CharacterDataset) -> None:
    text = shown(data)
    assert "best checkpoint: run/best.safetensors" in text
    assert "trained on 180 examples, judged on 60" in text


def test_names_are_not_cut_off(data: CharacterDataset) -> None:
    assert "…" not in shown(replace(data, ceiling=CEILING))
