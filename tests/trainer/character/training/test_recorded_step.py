"""Recorded steps come to what the steps themselves come to. Nothing is recorded here: a CPU has no graphs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.batches import Batch, ResidentSource
from storyteller_trainer.character.training import train as module
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.recorded_step import RecordedSteps, StepNumbers
from storyteller_trainer.character.training.train import Trainer
from torch import Tensor


def batch_of(size: int, value: float = 0.0) -> Batch:
    return Batch(torch.full((size, 3), value), torch.full((size, 2), -value))


def numbers(step: int) -> Tensor:
    return torch.tensor([float(step), 10.0 * step, 0.5])


class Recorder:
    """Does the action at every call, as a device repeats it, and counts recordings."""

    def __init__(self) -> None:
        self.recordings = 0

    def __call__(self, action: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.recordings += 1
        return action


def test_a_recording_works_on_its_own_memory() -> None:
    places: list[tuple[int, ...]] = []
    seen: list[tuple[float, float]] = []

    def update(batch: Batch, given: StepNumbers) -> Tensor:
        assert isinstance(given.step, Tensor)
        places.append((batch.features.data_ptr(), batch.labels.data_ptr(), given.step.data_ptr()))
        seen.append((float(batch.features[0, 0]), float(given.scale)))
        return batch.labels.sum()

    recorder = Recorder()
    steps = RecordedSteps(update, recorder)
    for step in range(1, 8):
        assert float(steps(batch_of(4, step), numbers(step))) == -8.0 * step
    assert seen == [(step, 10.0 * step) for step in range(1, 8)], "every batch and every number got there"
    assert recorder.recordings == 1
    assert len(set(places[3:])) == 1, "what is recorded always reads from the same place"


def test_each_size_of_batch_has_a_recording() -> None:
    recorder = Recorder()
    sizes: list[int] = []

    def update(batch: Batch, given: StepNumbers) -> Tensor:
        sizes.append(len(batch.features))
        return batch.labels.sum()

    steps = RecordedSteps(update, recorder)
    for step in range(1, 7):
        steps(batch_of(4), numbers(step))
        steps(batch_of(3), numbers(step))
    assert sizes == [4, 3] * 6
    assert recorder.recordings == 2


@pytest.mark.parametrize("preset", RECIPES)
def test_a_run_of_recorded_steps(
    side: Callable[..., ResidentSource], preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> Trainer:
        # A low rate: at Muon's usual one, rounding grows from epoch to epoch.
        recipe = RECIPES[preset].with_options(batch_size=32, precision="fp32", muon_learning_rate=5e-3)
        return Trainer(recipe, side(100), side(40, seed=1))

    plain, recorded, recorder = make(), make(), Recorder()
    monkeypatch.setattr(module, "waits_to_be_asked", lambda device: True)
    monkeypatch.setattr(recorded, "_recorded", RecordedSteps(recorded._update, recorder))
    for _ in range(4):
        expected, found = plain.run_epoch(), recorded.run_epoch()
        assert found.train.total == pytest.approx(expected.train.total, rel=5e-4)
        assert found.validation.losses.total == pytest.approx(expected.validation.losses.total, rel=5e-4)
    assert recorder.recordings == 2, "three whole batches an epoch, and after three epochs the smaller one, too"


def test_a_recorded_step_tells_its_fault(side: Callable[..., ResidentSource], monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Trainer(RECIPES["reference"].with_options(batch_size=10), side(100), side(40, seed=1))
    monkeypatch.setattr(module, "waits_to_be_asked", lambda device: True)
    monkeypatch.setattr(learner, "_recorded", RecordedSteps(learner._update, Recorder()))
    calls = iter(range(1, 100))
    bias = learner.network.model.first_layer.bias
    bias.register_hook(lambda gradient: gradient / (0 if next(calls) == 7 else 1))  # type: ignore[no-untyped-call]
    with pytest.raises(StorytellerError, match=r"epoch 1, step 7: a loss or a gradient is not finite"):
        learner.run_epoch()
