"""The loop in memory: it learns, it repeats itself to the bit, and it stops before a bad step."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.events.data.encoding import collate, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.classifiers import EventClassifier, Model, Task, named_logits
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.training import train
from storyteller_trainer.events.training.recipe import Precision, Recipe, recipe_for
from storyteller_trainer.events.training.train import Epoch, NonFiniteError, Trainer, TrainingData, TrainState
from tiny_encoders import FAMILIES

CPU = torch.device("cpu")
FAST = Recipe(epochs=2, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="module")
def data(tiny_bert: str, examples: list[EventExample]) -> TrainingData:
    items = encode(examples, load_encoder(tiny_bert).tokenizer).items
    return TrainingData(items[:72], items[72:])


def trainer(task: Task, encoder: str, data: TrainingData, recipe: Recipe = FAST) -> Trainer:
    return Trainer(task, recipe, load_encoder(encoder), data, CPU)


@pytest.mark.parametrize("task", list(Task))
def test_every_task_learns(task: Task, tiny_bert: str, data: TrainingData) -> None:
    learner = trainer(task, tiny_bert, data, FAST.with_options(epochs=4))
    epochs = []
    for _ in range(4):
        epochs.append(learner.run_epoch())
    assert learner.should_stop()
    for name in ("event", "ner") if task is Task.JOINT else (task.value,):
        assert epochs[-1].train_loss[name] < 0.9 * epochs[0].train_loss[name]
    assert learner.train_state.examples == 4 * 72


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_steps(family: str, tiny_folders: dict[str, object], examples: list[EventExample]) -> None:
    encoder = load_encoder(str(tiny_folders[family]))
    items = encode(examples[:16], encoder.tokenizer).items
    learner = Trainer(Task.JOINT, FAST, encoder, TrainingData(items, items), CPU)
    batch = collate(items)
    losses = [sum(learner.step(batch, 3e-3, "here").values()) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_the_same_seed_gives_the_same_weights(tiny_bert: str, data: TrainingData) -> None:
    first, second, other = (trainer(Task.JOINT, tiny_bert, data, FAST.with_options(seed=seed)) for seed in (1, 1, 2))
    results = [learner.run_epoch() for learner in (first, second, other)]
    assert results[0] == results[1] != results[2]
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name])


def test_the_joint_loss_is_the_weighted_sum(
    tiny_bert: str, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[float] = []
    backward = torch.autograd.backward

    def record(loss: torch.Tensor) -> None:
        totals.append(loss.item())
        backward(loss)

    monkeypatch.setattr(torch.autograd, "backward", record)
    for weight in (1.0, 0.25):
        learner = trainer(Task.JOINT, tiny_bert, data, FAST.with_options(ner_weight=weight))
        losses = learner.step(collate(data.train[:4]), 1e-3, "here")
        assert totals.pop() == pytest.approx(losses["event"] + weight * losses["ner"])


def test_a_bad_loss_stops_before_the_step(tiny_bert: str, data: TrainingData, poison: Callable[[int], None]) -> None:
    reference = trainer(Task.NER, tiny_bert, data)

    def stop_after_two(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reference.run_epoch(stop_after_two)
    poison(3)
    learner = trainer(Task.NER, tiny_bert, data)
    with pytest.raises(NonFiniteError, match="task ner, epoch 1, step 3, on cpu: the ner loss is nan"):
        learner.run_epoch()
    for name, tensor in learner.model.state_dict().items():
        assert torch.equal(tensor, reference.model.state_dict()[name])


def overflow(gradient: torch.Tensor) -> torch.Tensor:
    return gradient * math.inf


def test_a_bad_gradient_stops_before_the_step(
    tiny_bert: str, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trainer(Task.EVENT, tiny_bert, data)
    before = {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}
    assert isinstance(learner.model, EventClassifier)
    learner.model.event_head.weight.register_hook(overflow)  # type: ignore[no-untyped-call]
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 1, on cpu: the gradient norm is (nan|inf)"):
        learner.run_epoch()
    for name, tensor in learner.model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_device_is_compared_with_the_cpu(tiny_bert: str, data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = trainer(Task.JOINT, tiny_bert, data)
    assert learner.deviation_from_cpu() == 0

    def drifting(model: Model, *batch: torch.Tensor) -> dict[str, torch.Tensor]:
        drift = 0.25 if model is learner.model else 0.0
        return {name: logits + drift for name, logits in named_logits(model, *batch).items()}

    monkeypatch.setattr(train, "named_logits", drifting)
    assert learner.deviation_from_cpu() == pytest.approx(0.25)


def test_half_precision_is_refused_off_cuda(tiny_bert: str, data: TrainingData) -> None:
    with pytest.raises(
        StorytellerError, match="--precision bf16 needs a CUDA device, and this is cpu; use fp32 or auto"
    ):
        trainer(Task.EVENT, tiny_bert, data, FAST.with_options(precision=Precision.BF16))


def test_fp16_leaves_an_overflowing_step_out_and_lowers_its_scale(
    tiny_bert: str, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "autocast_dtype", lambda precision, device: torch.float16)
    learner = trainer(Task.EVENT, tiny_bert, data)
    batch = collate(data.train[:8])
    assert isinstance(learner.model, EventClassifier)
    learner.model.event_head.weight.register_hook(overflow)  # type: ignore[no-untyped-call]
    before = {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}
    scale = learner.scaler.get_scale()
    learner.step(batch, 1e-3, "here")
    assert learner.scaler.get_scale() == scale / 2
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.model.state_dict().items())
    for _ in range(16):
        learner.step(batch, 1e-3, "here")
    with pytest.raises(NonFiniteError, match="the gradient norm is"):
        learner.step(batch, 1e-3, "here")


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe(learning_rate=1.0, warmup_ratio=0.1)
    rates = [recipe.learning_rate_at(step, 100) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[10:] == pytest.approx([1 - step / 91 for step in range(1, 91)])
    assert min(rates) > 0


def test_only_matrices_decay(tiny_bert: str, data: TrainingData) -> None:
    groups = trainer(Task.EVENT, tiny_bert, data, FAST.with_options(weight_decay=0.5)).optimizer.param_groups
    assert [{p.dim() for p in group["params"]} for group in groups] == [{2}, {1}, {2}, {1}]
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0, 0.5, 0.0]


@pytest.mark.parametrize("task", list(Task))
def test_the_heads_learn_at_a_multiple_of_the_encoders_rate(task: Task, tiny_bert: str, data: TrainingData) -> None:
    learner = trainer(task, tiny_bert, data, FAST.with_options(head_rate=4.0, weight_decay=0.0))
    before = {name: tensor.clone() for name, tensor in learner.model.named_parameters()}
    learner.step(collate(data.train[:8]), 1e-3, "here")
    farthest = {True: 0.0, False: 0.0}
    for name, tensor in learner.model.named_parameters():
        moved = (tensor - before[name]).abs().max().item()
        farthest[name.startswith("encoder.")] = max(farthest[name.startswith("encoder.")], moved)
    # Adam's first step moves a weight by its learning rate, however small its gradient.
    assert farthest == {True: pytest.approx(1e-3, rel=0.01), False: pytest.approx(4e-3, rel=0.01)}


def epoch(number: int, score: float, loss: float) -> Epoch:
    return Epoch(number=number, train_loss={}, validation_loss={"event": loss}, validation={}, score=score)


def test_the_best_epoch_has_the_highest_score_and_then_the_lowest_loss() -> None:
    state = TrainState()
    told = ((1, 0.5, 1.0, 1), (2, 0.9, 2.0, 2), (3, 0.9, 1.5, 3), (4, 0.9, 1.5, 3), (5, 0.8, 0.1, 3))
    for number, score, loss, best in told:
        state.add(epoch(number, score, loss))
        assert state.best_epoch == best


def test_patience_counts_epochs_since_the_best(tiny_bert: str, data: TrainingData) -> None:
    learner = trainer(Task.EVENT, tiny_bert, data, FAST.with_options(epochs=9, patience=2))
    assert not learner.should_stop()
    learner.train_state.add(epoch(1, 0.9, 1.0))
    learner.train_state.add(epoch(2, 0.8, 1.0))
    assert not learner.should_stop()
    learner.train_state.add(epoch(3, 0.8, 1.0))
    assert learner.should_stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
        ("seed", -1),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("head_rate", 0.0),
        ("warmup_ratio", 1.5),
        ("weight_decay", -1.0),
        ("ner_weight", 0.0),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(StorytellerError, match=f"{name} is {value!r}; it must be"):
        recipe_for("minilm").with_options(**{name: value})


def test_options_that_were_not_given_keep_the_encoders_values() -> None:
    assert recipe_for("minilm").with_options(epochs=None, seed=7) == recipe_for("minilm").with_options(seed=7)
    assert recipe_for("distilbert") == Recipe()
    assert Recipe().learning_rate == 2e-5
