from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from storyteller_exporter.evaluate.character_model import of_checkpoint, open_model
from storyteller_exporter.evaluate.judged import Judged, judge
from storyteller_exporter.report.bootstrap import Outcome, draws, mean, paired
from storyteller_exporter.report.character_comparison import compare_models, differences, unseen_rows
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
        dataset, tmp_path / "other", torch.device("cpu"), options={"epochs": 1, "val_fraction": 0.2, "seed": 42}
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
    from storyteller_exporter.report import character_comparison

    halves = iter([slice(0, 200), slice(200, None)])

    def divided(cells: np.ndarray, *rest: object) -> object:
        return type("Split", (), {"validation": np.arange(len(cells))[next(halves)]})

    monkeypatch.setattr(character_comparison, "split_by_cell", divided)
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


def test_the_weighted_loss_comes_first_and_decides(judged: Judged) -> None:
    figures = differences(judged, changed(judged, 3.0))
    assert figures[0].name == "total"
    assert figures[0].worst_case == figures[0].high
    accuracy = next(figure for figure in figures if figure.kind == "accuracy")
    assert accuracy.worst_case == -accuracy.low


def test_the_interval_of_a_mean_is_that_of_the_bootstrap_written_out() -> None:
    """Against the definition: means of the differences over resampled groups, drawn together."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 5)
    first, second = rng.normal(size=100), rng.normal(0.3, size=100)
    sums = [
        np.stack([np.bincount(groups, weights=values, minlength=20), np.full(20, 5.0)], axis=1)
        for values in (first, second)
    ]
    drawn = draws(20)
    found = paired("x", "loss", (sums[0], sums[1]), mean, drawn)
    expected = [
        float(np.repeat((second - first).reshape(20, 5), times.astype(int), axis=0).mean()) for times in drawn[:2000]
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(expected, (2.5, 97.5))))
    assert found.difference == pytest.approx((second - first).mean())


def test_a_figure_that_one_of_both_does_not_tell_is_0_for_it() -> None:
    """As the F1 of a class that one model never predicts and nobody annotated."""
    nothing, something = np.zeros((5, 2)), np.tile([0.5, 1.0], (5, 1))
    found = paired("x", "F1", (nothing, something), mean, draws(5))
    assert (found.first, found.second, found.low, found.high) == (0, 0.5, 0.5, 0.5)
    found = paired("x", "F1", (nothing, nothing), mean, draws(5))
    assert (found.difference, found.low, found.high, found.outcome) == (0, 0, 0, Outcome.UNDECIDED)


@pytest.mark.parametrize(
    ("more", "outcome"), [(1e-6, Outcome.UNDECIDED), (1e-3, Outcome.WORSE), (-1e-3, Outcome.BETTER)]
)
def test_rounding_is_no_difference_however_regular(more: float, outcome: Outcome) -> None:
    """The same weights in two runtimes may differ by the same sign on every example."""
    losses = np.random.default_rng(0).random(50)
    first, second = (np.stack([values, np.ones(50)], axis=1) for values in (losses, losses + more))
    assert paired("total", "loss", (first, second), mean, draws(50)).outcome is outcome
