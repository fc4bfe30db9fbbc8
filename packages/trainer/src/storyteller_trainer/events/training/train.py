"""The training loop of one classifier, in memory: one step, one epoch, validation, when to stop.

A plain PyTorch loop rather than the Trainer of transformers, for three things that it has to do. It looks at the loss
and the gradient before the optimizer's step, so that a bad step is never taken. Its state is tensors and JSON; the
Trainer's is partly pickled. And a run can go on on another device within the same process.

Everything random derives from the seed and the epoch (seeds.py): a resumed run takes the same steps as one that was
never stopped, on the CPU to the bit.
"""

from __future__ import annotations

import copy
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from torch import Tensor, nn

from storyteller_trainer.events.data.encoding import Batch, Encoded, collate, training_order
from storyteller_trainer.events.model.classifiers import Task, build_model, named_logits
from storyteller_trainer.events.model.encoders import Encoder
from storyteller_trainer.events.model.losses import label_weights, task_losses
from storyteller_trainer.events.training.evaluation import Evaluation, evaluate
from storyteller_trainer.events.training.recipe import Precision, Recipe
from storyteller_trainer.runs.seeds import event_epoch_seed

#: Gradients of a larger norm are scaled down to it.
MAX_GRADIENT_NORM = 1.0
#: What the names of a state's tensors begin with.
_MODEL = "model."
_OPTIMIZER = "optimizer."


class NonFiniteError(StorytellerError):
    """A loss or a gradient that is no number; the step was not taken."""


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from, and what chooses its best epoch."""

    train: list[Encoded]
    validation: list[Encoded]


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """What one epoch brought."""

    #: Counted from 1.
    number: int
    #: By task: mean over the training part while the weights changed, then over the validation part.
    train_loss: dict[str, float]
    validation_loss: dict[str, float]
    #: `macro_f1`, `micro_f1` and/or `entity_f1` on the validation part.
    validation: dict[str, float]
    #: What the best epoch is chosen by: see `Evaluation.score`.
    score: float
    #: Everything about the validation part; a train state keeps it of the best epoch only.
    evaluation: Evaluation | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Epochs compare by score; of equal ones the one with the lower validation loss is better."""
        return self.score, -sum(self.validation_loss.values())


class TrainState(msgspec.Struct, kw_only=True):
    """Where a run stands, apart from weights and optimizer."""

    history: list[Epoch] = msgspec.field(default_factory=list)
    #: 0 before the first epoch has ended.
    best_epoch: int = 0
    #: Of fp16 training; None in other floats.
    loss_scale: float | None = None
    #: Spent in training steps so far, and the examples that went through them.
    seconds: float = 0.0
    examples: int = 0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def best(self) -> Epoch | None:
        """The best epoch, once there is one."""
        return self.history[self.best_epoch - 1] if self.best_epoch else None

    def add(self, epoch: Epoch) -> None:
        """Takes in an epoch."""
        before = self.best
        best = before is None or epoch.rank > before.rank
        forgets = before if best else epoch
        self.history.append(epoch)
        if forgets:
            self.history[forgets.number - 1] = msgspec.structs.replace(forgets, evaluation=None)
        if best:
            self.best_epoch = epoch.number


class Trainer:
    """Trains one classifier by one recipe on one device."""

    def __init__(self, task: Task, recipe: Recipe, encoder: Encoder, data: TrainingData, device: torch.device) -> None:
        """
        Args:
            encoder: its weights are trained in place.

        Raises:
            StorytellerError: the recipe's precision does not go with the device.
        """
        self.task, self.recipe, self.data, self.device = task, recipe, data, device
        torch.manual_seed(event_epoch_seed(recipe.seed, 0))
        # Made on the CPU and then moved, so that a seed gives the same first weights on every device.
        self.model = build_model(task, encoder.model).to(device)
        self.label_weights = label_weights((item.labels for item in data.train), recipe.label_weighting).to(device)
        self.optimizer = _adamw(self.model, recipe, device)
        self.train_state = TrainState()
        self._lengths = [len(item.ids) for item in data.train]
        self._autocast = autocast_dtype(recipe.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self._autocast is torch.float16)

    @property
    def steps_per_epoch(self) -> int:
        """The last batch of an epoch may be smaller than the others; it is not dropped."""
        return math.ceil(len(self.data.train) / self.recipe.batch_size)

    def should_stop(self) -> bool:
        """All epochs are done, or patience is at its end."""
        waited = self.train_state.epoch - self.train_state.best_epoch
        return self.train_state.epoch >= self.recipe.epochs or (
            self.train_state.epoch > 0 and waited >= self.recipe.patience
        )

    def run_epoch(self, after_step: Callable[[int, int], None] = lambda done, of: None) -> Epoch:
        """One pass over the training part in a new order, then validation.

        Args:
            after_step: called with the number of steps done and to do; an exception it raises ends the epoch.

        Raises:
            NonFiniteError: a loss or the gradient is no number; the weights are those before that step.
        """
        number = self.train_state.epoch + 1
        seed = event_epoch_seed(self.recipe.seed, number)
        torch.manual_seed(seed)  # for the dropout
        batches = training_order(self._lengths, self.recipe.batch_size, torch.Generator().manual_seed(seed))
        if self.scaler.is_enabled() and self.train_state.loss_scale is not None:
            self.scaler.load_state_dict(self.scaler.state_dict() | {"scale": self.train_state.loss_scale})
        self.model.train()
        sums: dict[str, float] = defaultdict(float)
        started = time.perf_counter()
        for step, rows in enumerate(batches, start=1):
            batch = collate([self.data.train[row] for row in rows]).to(self.device)
            rate = self.recipe.learning_rate_at(len(batches) * (number - 1) + step, len(batches) * self.recipe.epochs)
            for name, loss in self.step(batch, rate, f"epoch {number}, step {step}").items():
                sums[name] += loss * len(rows)
            after_step(step, len(batches))
        self.train_state.seconds += time.perf_counter() - started
        self.train_state.examples += len(self.data.train)
        if self.scaler.is_enabled():
            self.train_state.loss_scale = self.scaler.get_scale()
        evaluation = self.evaluate(self.data.validation, choosing=True)
        for name, value in evaluation.losses.items():
            self._require_finite(f"{name} loss", value, f"the validation after epoch {number}")
        epoch = Epoch(
            number=number,
            train_loss={name: total / len(self.data.train) for name, total in sums.items()},
            validation_loss=evaluation.losses,
            validation=evaluation.summary(),
            score=evaluation.score,
            evaluation=evaluation,
        )
        self.train_state.add(epoch)
        return epoch

    def step(self, batch: Batch, learning_rate: float, place: str) -> dict[str, float]:
        """One update; the loss of each task before it, unweighted.

        Args:
            place: how an error calls this step.

        Raises:
            NonFiniteError: a loss or the gradient is no number; nothing was updated.
        """
        with torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None):
            logits = named_logits(self.model, batch.input_ids, batch.attention_mask)
        # The losses are computed in float32, whatever the encoder computes in.
        losses = task_losses({name: tensor.float() for name, tensor in logits.items()}, batch, self.label_weights)
        values = {name: loss.item() for name, loss in losses.items()}
        for name, value in values.items():
            self._require_finite(f"{name} loss", value, place)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.stack([self.loss_weight(name) * loss for name, loss in losses.items()]).sum()
        torch.autograd.backward(self.scaler.scale(total))
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM).item()
        # fp16 overflows now and then by design: the scaler then leaves the step out and lowers its scale.
        if not self.scaler.is_enabled() or self.scaler.get_scale() < 1:
            self._require_finite("gradient norm", norm, place)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["rate"]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return values

    @torch.no_grad()
    def deviation_from_cpu(self) -> float:
        """How far the logits of one batch on the training device are from those on the CPU; NaN if one is NaN."""
        batch = collate(self.data.train[: self.recipe.batch_size])
        sides = []
        for model, device in ((self.model, self.device), (copy.deepcopy(self.model).to("cpu"), torch.device("cpu"))):
            model.eval()
            placed = batch.to(device)
            sides.append(named_logits(model, placed.input_ids, placed.attention_mask))
        there = batch.attention_mask.bool()
        differences = [(sides[0][name].cpu() - sides[1][name]).abs() for name in sides[1]]
        # Logits of padding tokens are nobody's business, and some encoders compute them differently.
        return float(torch.stack([(d[there] if d.dim() == 3 else d).max() for d in differences]).max())

    def evaluate(self, items: list[Encoded], *, choosing: bool = False) -> Evaluation:
        """How good the present weights are on a set, and, where it chooses, which thresholds would suit it best."""
        return evaluate(self.model, items, self.device, self.label_weights, choosing=choosing)

    def state(self) -> dict[str, Tensor]:
        """The weights and the optimizer's moments, by name; with `train_state` they are complete."""
        tensors = {f"{_MODEL}{name}": tensor for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{_OPTIMIZER}{name}/{key}"] = value
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor], train_state: TrainState) -> None:
        """Goes on from where another trainer of the same task, recipe and encoder stood.

        Raises:
            KeyError, RuntimeError: a tensor is missing or does not fit.
        """
        weights = {name.removeprefix(_MODEL): t for name, t in tensors.items() if name.startswith(_MODEL)}
        self.model.load_state_dict(weights)
        parameters = dict(self.model.named_parameters())
        for name in tensors.keys() - {f"{_MODEL}{name}" for name in weights}:
            parameter_name, _, key = name.removeprefix(_OPTIMIZER).rpartition("/")
            parameter, found = parameters[parameter_name], tensors[name]
            if found.dtype != parameter.dtype or (key != "step" and found.shape != parameter.shape):
                raise RuntimeError(f"{name} is {list(found.shape)} {found.dtype}")
            # AdamW counts its steps on the CPU, except where one fused kernel does everything.
            apart = key == "step" and not self.optimizer.defaults["fused"]
            self.optimizer.state[parameter][key] = found.to("cpu" if apart else parameter.device)
        self.train_state = train_state

    def loss_weight(self, name: str) -> float:
        """What the loss of a task (`event`, `ner`) counts in what is trained."""
        return self.recipe.ner_weight if self.task is Task.JOINT and name == "ner" else 1.0

    def _require_finite(self, what: str, value: float, place: str) -> None:
        if not math.isfinite(value):
            raise NonFiniteError(f"task {self.task}, {place}, on {self.device}: the {what} is {value}")


def _adamw(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves vectors (biases, norms) alone.

    A group's `rate` is what the learning rate of a step is multiplied with for its parameters.
    """
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = []
    for in_encoder, rate in ((True, 1.0), (False, recipe.head_rate)):
        part = [parameter for name, parameter in trained if name.startswith("encoder.") is in_encoder]
        groups += [
            {"params": [p for p in part if p.dim() >= 2], "weight_decay": recipe.weight_decay, "rate": rate},
            {"params": [p for p in part if p.dim() < 2], "weight_decay": 0.0, "rate": rate},
        ]
    # One pass over the weights instead of several: a sixth of the time on the CPU.
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=device.type in ("cpu", "cuda"))


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """What autocast computes in; None for float32 throughout.

    Raises:
        StorytellerError: half precision on a device other than CUDA.
    """
    if precision is Precision.FP32 or (precision is Precision.AUTO and device.type != "cuda"):
        return None
    if device.type != "cuda":
        raise StorytellerError(f"--precision {precision} needs a CUDA device, and this is {device}; use fp32 or auto")
    if precision is Precision.BF16 or (precision is Precision.AUTO and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float16
