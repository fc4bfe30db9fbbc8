from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from storyteller_exporter.evaluate.character_model import of_checkpoint, open_model
from storyteller_exporter.evaluate.judged import Judged, judge
from storyteller_exporter.report.comparison import Outcome, compare_models, differences, unseen_rows
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.training.run import train_character_model


@pytest.fixture(scope="module")
def dataset(sample: Path) -> CharacterDataset:
    return load_dataset(sample, None)


@pytest.fixture(scope="module")
def judged(trained: Path, dataset: CharacterDataset) -> Judged:
    return judge(of_checkpoint(trained), dataset, np.arange(len(dataset)))


def changed(judged: Judged, noise: float) -> Judged:
    shift = np.random.default_rng(0).normal(0, noise, judged.raw.shape).astype(np.float32)
    return Judged(
        data=judged.data,
        rows=judged.rows,
        labels=judged.labels,
        raw=judged.raw + shift,
        logits=judged.logits + shift,
        situation=judged.situation,
    )


def test_a_model_and_itself_show_no_difference(judged: Judged) -> None:
    for figure in differences(judged, judged):
        assert (figure.difference, figure.low, figure.high) == (0, 0, 0)
        assert figure.outcome is Outcome.UNDECIDED


def test_a_spoiled_model_is_worse_and_the_other_way_round_better(judged: Judged) -> None:
    spoiled = changed(judged, 3.0)
    forth = {figure.name: figure for figure in differences(judged, spoiled)}
    back = {figure.name: figure for figure in differences(spoiled, judged)}
    assert forth["total"].outcome is Outcome.WORSE
    assert back["total"].outcome is Outcome.BETTER
    assert forth["total"].low == pytest.approx(-back["total"].high)
    awareness = forth["thought.awareness"]
    assert (awareness.lower_is_better, awareness.outcome) == (False, Outcome.WORSE)
    assert awareness.difference == pytest.approx(awareness.second - awareness.first)


def test_the_interval_is_that_of_paired_cells(judged: Judged) -> None:
    figure = next(figure for figure in differences(judged, changed(judged, 0.3)) if figure.name == "total")
    assert figure.low < figure.difference < figure.high
    # Far narrower than what each of the two scatters by itself.
    assert figure.high - figure.low < 0.2 * abs(figure.first)


def test_both_are_judged_on_what_neither_was_trained_on(
    trained: Path, sample: Path, dataset: CharacterDataset, tmp_path: Path
) -> None:
    train_character_model(
        dataset, tmp_path / "other", torch.device("cpu"), options={"epochs": 1, "val_fraction": 0.5, "seed": 42}
    )
    one, other = of_checkpoint(trained), of_checkpoint(tmp_path / "other")
    rows, notices = unseen_rows([one, other], dataset)
    fifth, half = (
        split_by_cell(dataset.cells, dataset.cell_names, share, 42).validation.tolist() for share in (0.2, 0.5)
    )
    assert notices == []
    assert rows.tolist() == sorted(set(fifth) & set(half))
    found = compare_models(one, other, dataset)
    assert found.examples == len(rows)
    assert found.outcome is found.deciding.outcome


def test_models_without_a_common_held_out_example_are_refused(
    trained: Path, dataset: CharacterDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storyteller_exporter.report import comparison

    halves = iter([slice(0, 200), slice(200, None)])

    def divided(cells: np.ndarray, *rest: object) -> object:
        return type("Split", (), {"validation": np.arange(len(cells))[next(halves)]})

    monkeypatch.setattr(comparison, "split_by_cell", divided)
    model = of_checkpoint(trained)
    with pytest.raises(StorytellerError, match="no held-out example in common"):
        unseen_rows([model, model], dataset)


def test_a_file_that_says_nothing_of_its_data_is_told(
    exported: Path, edited: Callable[..., Path], dataset: CharacterDataset
) -> None:
    file = edited(lambda model: model.ClearField("metadata_props"))
    rows, notices = unseen_rows([open_model(file)], dataset)
    assert len(rows) == len(dataset)
    assert "does not say what it was trained on" in notices[0]
