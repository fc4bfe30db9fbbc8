"""The loop in memory: it learns, it is the same every time, it can be taken over, and it stops when it should."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec
import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.batches import Batch, ResidentSource
from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.training import train
from storyteller_trainer.character.training.optimizer import Plateau
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.train import Trainer, TrainState
from storyteller_trainer.runs.history import Losses
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

MakeSide = Callable[..., ResidentSource]


@pytest.fixture
def trainer(side: MakeSide) -> Callable[..., Trainer]:
    """Makes a trainer: of the reference recipe, or of another preset, with options."""

    def make(preset: str = "reference", **options: Any) -> Trainer:
        recipe = RECIPES[preset].with_options(batch_size=32, **options)
        return Trainer(recipe, side(100), side(40, seed=1))

    return make


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns(trainer: Callable[..., Trainer]) -> None:
    learner = trainer(dropout=0.0)
    before = learner.validate().losses.heads["thought"]
    epochs = [learner.run_epoch() for _ in range(8)]
    assert epochs[-1].train.total < epochs[0].train.total
    assert epochs[-1].validation.losses.heads["thought"] < 0.8 * before


def test_the_first_losses_of_this_seed_stay_as_they_are(trainer: Callable[..., Trainer]) -> None:
    """Frozen: a change of initialisation, order, loss or optimizer shows here before it shows in results.

    Without dropout, which torch draws from another generator on other processors.
    """
    learner = trainer(dropout=0.0)
    totals = [learner.run_epoch().validation.losses.total for _ in range(3)]
    assert totals == pytest.approx([5.62718, 4.09896, 4.10871], rel=1e-3)


@pytest.mark.parametrize("preset", RECIPES)
def test_the_same_seed_gives_the_same_bits(trainer: Callable[..., Trainer], preset: str) -> None:
    first, second, other = trainer(preset), trainer(preset), trainer(preset, seed=43)
    assert not same(weights(first), weights(other))
    for each in (first, second):
        each.run_epoch()
        torch.rand(3)  # whatever else the process draws changes nothing
        each.run_epoch()
    assert same(weights(first), weights(second))
    assert same(first.state(), second.state())


@pytest.mark.parametrize("preset", RECIPES)
def test_another_trainer_can_take_over(trainer: Callable[..., Trainer], preset: str) -> None:
    whole, before, after = trainer(preset), trainer(preset), trainer(preset)
    for _ in range(4):
        whole.run_epoch()
    for _ in range(2):
        before.run_epoch()
    state = msgspec.json.decode(msgspec.json.encode(before.train_state), type=TrainState)
    after.load_state({name: t.clone() for name, t in before.state().items()}, state)
    for _ in range(2):
        after.run_epoch()
    assert same(weights(whole), weights(after))
    assert whole.train_state == after.train_state


def test_every_example_is_seen_once_an_epoch(
    trainer: Callable[..., Trainer], side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trainer()
    seen: list[list[int]] = []

    features = side(100).features

    def note(batch: Batch, step: int) -> Tensor:
        seen.append((batch.features[:, None] == features).all(dim=2).nonzero()[:, 1].tolist())
        return torch.zeros(4)

    monkeypatch.setattr(learner, "train_step", note)
    learner.train_epoch()
    assert [len(rows) for rows in seen] == [32, 32, 32, 4]
    assert learner.steps_per_epoch == 4
    assert sorted(chain.from_iterable(seen)) == list(range(100))
    first = seen.copy()
    seen.clear()
    learner.train_state.epoch += 1
    learner.train_epoch()
    assert seen != first, "the order is a new one"


@pytest.mark.parametrize("accumulate", [2, 5, 32])
def test_a_batch_may_be_worked_on_in_parts(trainer: Callable[..., Trainer], accumulate: int) -> None:
    """Of 100 training examples, the last batch has 4: fewer than parts. All parts see the dropout of the whole."""
    whole, parts = (trainer(accumulate=number).run_epoch() for number in (1, accumulate))
    assert parts.train.total == pytest.approx(whole.train.total, rel=1e-5)
    assert parts.validation.losses.total == pytest.approx(whole.validation.losses.total, rel=1e-5)


def test_the_training_loss_weighs_examples_not_batches(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trainer()
    monkeypatch.setattr(learner, "train_step", lambda batch, step: torch.full((4,), float(step)))
    losses = learner.train_epoch()
    mean = (32 * 1 + 32 * 2 + 32 * 3 + 4 * 4) / 100
    assert losses.heads == pytest.approx({"action": mean, "speech": mean, "thought": mean, "emotion": mean})
    assert losses.total == pytest.approx(mean * (0.35 + 0.2 + 0.2 + 0.25))


def test_validation_does_not_depend_on_its_batches(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trainer()
    whole = learner.validate()
    monkeypatch.setattr(train, "EVALUATION_BATCH", 7)
    parts = learner.validate()
    assert parts.terms == pytest.approx(whole.terms, rel=1e-5)
    assert parts.metrics.categorical == whole.metrics.categorical


def test_validation_is_the_loss_without_dropout(trainer: Callable[..., Trainer], side: MakeSide) -> None:
    learner, held = trainer(thought_weight=0.5), side(40, seed=1)
    found = learner.validate().losses
    learner.model.eval()
    heads = head_losses(loss_terms(learner.model(held.features), held.labels)).tolist()
    assert list(found.heads.values()) == pytest.approx(heads, rel=1e-5)
    assert found.total == pytest.approx(0.35 * heads[0] + 0.2 * heads[1] + 0.5 * heads[2] + 0.25 * heads[3], rel=1e-5)


def test_a_head_of_weight_zero_is_not_trained(trainer: Callable[..., Trainer]) -> None:
    learner = trainer(emotion_weight=0, weight_decay=0)
    before = weights(learner)
    learner.run_epoch()
    changed = {name for name, tensor in weights(learner).items() if not torch.equal(tensor, before[name])}
    assert not any("emotion" in name for name in changed)
    assert any("action" in name for name in changed)


def test_what_is_saved_takes_raw_inputs(trainer: Callable[..., Trainer], side: MakeSide) -> None:
    learner = trainer("default", standardize=True, averaging=0.0)
    learner.run_epoch()
    held = side(40, seed=1)
    assert not torch.allclose(learner.inputs(held.features), held.features[:, learner.inputs.columns], atol=0.1)
    learner.network.eval()
    with torch.no_grad():
        seen = learner.network.model(learner.inputs(held.features))
        saved = learner.model(held.features)
    for name, raw in seen.items():
        torch.testing.assert_close(saved[name], raw, rtol=1e-4, atol=1e-5)


def test_the_saved_weights_are_the_average(trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    learner = trainer(averaging=0.5, epochs=1)
    seen = [weights(learner)["trunk.0.bias"]]
    train_step = learner.train_step

    def note(batch: Batch, step: int) -> Tensor:
        losses = train_step(batch, step)
        seen.append(learner.network.model.get_parameter("trunk.0.bias").detach().clone())
        return losses

    monkeypatch.setattr(learner, "train_step", note)
    learner.run_epoch()
    expected = seen[0]
    for number, now in enumerate(seen[1:], start=1):
        expected = expected.lerp(now, 1 - min(0.5, number / (number + 19)))
    torch.testing.assert_close(weights(learner)["trunk.0.bias"], expected)


def test_the_linear_schedule_ends_with_the_last_epoch(trainer: Callable[..., Trainer]) -> None:
    learner = trainer(schedule="linear", epochs=4)
    assert learner._scale(1) == 1
    rates = [learner.run_epoch().learning_rate for _ in range(4)]
    # Of four steps an epoch, the last one's.
    assert rates == pytest.approx([1e-3 * left / 16 for left in (13, 9, 5, 1)])


# --- when to stop -----------------------------------------------------------------------------------------------------


def test_patience_counts_epochs_without_enough_improvement() -> None:
    state = TrainState(plateau=Plateau(factor=0.5, patience=5))
    best = []
    for loss in (2.0, 1.95, 1.91, 1.8, 1.9):
        state.update(loss, min_delta=0.1)
        best.append(state.best_epoch)
    assert best == [1, 2, 3, 4, 4], "any lower loss is the best so far"
    assert state.best_loss == 1.8
    assert (state.patience_loss, state.waited) == (1.8, 1), "but only 2.0 and 1.8 renewed patience"


def test_it_stops_when_patience_ends_or_all_epochs_are_done(trainer: Callable[..., Trainer]) -> None:
    learner = trainer(epochs=3, patience=2)
    assert not learner.should_stop()
    learner.train_state.waited = 2
    assert learner.should_stop()
    learner.train_state.waited, learner.train_state.epoch = 0, 3
    assert learner.should_stop()


def test_the_learning_rate_falls_on_a_plateau(trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    learner = trainer(lr_patience=1)
    evaluation = learner.validate()
    flat = msgspec.structs.replace(evaluation, losses=Losses(1.0, evaluation.losses.heads))
    monkeypatch.setattr(learner, "validate", lambda: flat)
    assert [learner.run_epoch().learning_rate for _ in range(5)] == [1e-3, 1e-3, 1e-3, 5e-4, 5e-4]


# --- what is not finite -----------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_before_the_step(trainer: Callable[..., Trainer]) -> None:
    learner = trainer()
    learner.run_epoch()
    with torch.no_grad():
        learner.network.model.get_parameter("heads.thought.2.bias")[5] = float("inf")
    before = weights(learner)
    message = "epoch 2, step 1: the loss of head thought is inf; lower the learning rate"
    with pytest.raises(StorytellerError, match=message):
        learner.run_epoch()
    assert same(weights(learner), before)


def change_gradient(trainer: Trainer, parameter: str, change: Callable[[Tensor], Tensor]) -> None:
    hooked: Any = trainer.network.model.get_parameter(parameter)
    hooked.register_hook(change)


@pytest.mark.parametrize(
    ("parameter", "part"), [("heads.speech.0.weight", "head speech"), ("trunk.3.weight", "the trunk")]
)
def test_a_gradient_that_is_not_finite_stops_before_the_step(
    trainer: Callable[..., Trainer], parameter: str, part: str
) -> None:
    learner = trainer()
    change_gradient(learner, parameter, lambda gradient: gradient * float("nan"))
    before = weights(learner)
    with pytest.raises(StorytellerError, match=f"epoch 1, step 1: the gradient norm of {part} is nan"):
        learner.run_epoch()
    assert same(weights(learner), before)


def test_a_gradient_norm_beyond_float32_is_told(trainer: Callable[..., Trainer]) -> None:
    learner = trainer()
    for name in ("trunk.0.bias", *(f"heads.{head}.0.bias" for head in ("action", "speech", "thought", "emotion"))):
        change_gradient(learner, name, lambda gradient: torch.eye(1, len(gradient))[0] * 1.5e19)
    with pytest.raises(StorytellerError, match="the gradient norm of the whole network is beyond float32"):
        learner.run_epoch()


def test_a_validation_loss_that_is_not_finite_is_refused(trainer: Callable[..., Trainer]) -> None:
    learner = trainer()
    with torch.no_grad():
        learner.model.get_parameter("heads.emotion.2.bias")[0] = float("nan")
    with pytest.raises(StorytellerError, match="epoch 0: the validation loss of head emotion is nan"):
        learner.validate()


# --- devices that the host would have to wait for ---------------------------------------------------------------------


class Questions(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch annotates it only in part
    """Counts how often a value of a tensor is asked for, or needed to know a shape."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        asking = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.masked_select)
        self.count += func.overloadpacket in asking
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("preset", RECIPES)
@pytest.mark.parametrize(("waits", "asked"), [(False, 1), (True, 0)])
def test_a_device_is_asked_for_nothing_inside_an_epoch(
    side: MakeSide, monkeypatch: pytest.MonkeyPatch, preset: str, waits: bool, asked: int
) -> None:
    monkeypatch.setattr(train, "waits_to_be_asked", lambda device: waits)
    recipe = RECIPES[preset].with_options(batch_size=32)
    learner = Trainer(recipe, side(100), side(40, seed=1), axis_places(load_descriptors()))
    found = []
    with Questions() as questions:
        learner.train_epoch(lambda done, of: found.append(questions.count))
    assert found == [asked * step for step in (1, 2, 3, 4)], "whether all is finite, and nothing else"


def test_a_device_tells_the_first_fault_at_the_end_of_the_epoch(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "waits_to_be_asked", lambda device: True)
    learner = trainer()
    learner.run_epoch()
    before = weights(learner)
    calls = iter(range(1, 100))
    change_gradient(learner, "trunk.3.weight", lambda gradient: gradient * (float("nan") if next(calls) == 3 else 1.0))
    with pytest.raises(StorytellerError, match=r"epoch 2, step 3: a loss or a gradient is not finite; .* --device cpu"):
        learner.run_epoch()
    assert same(weights(learner), before)
