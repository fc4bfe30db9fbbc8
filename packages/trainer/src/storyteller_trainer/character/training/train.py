"""The training loop, in memory: one step, one epoch, validation, when to stop, and the state to go on from.

Nothing here writes a file or prints; `run.py` does that around it.

Every epoch seeds its own randomness (seeds.py), so on the CPU a resumed run ends with the same bits (given the same
number of threads, which decides the order of sums).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import HEADS
from torch import Tensor
from torch.nn.utils import get_total_norm

from storyteller_trainer.character.data.augment import augment
from storyteller_trainer.character.data.batches import Batch, Source
from storyteller_trainer.character.model.checkpoint import STATE_PREFIX
from storyteller_trainer.character.model.losses import TERMS, loss_terms
from storyteller_trainer.character.model.metrics import Metrics, MetricsCounter
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.character.rules.axes import AxisPlaces
from storyteller_trainer.character.training.augment_axes import AxisDealer
from storyteller_trainer.character.training.first_weights import begin_by_rules
from storyteller_trainer.character.training.optimizer import Plateau
from storyteller_trainer.character.training.recipe import Recipe
from storyteller_trainer.character.training.recorded_step import RecordedSteps, StepNumbers, record_cuda_graph
from storyteller_trainer.character.training.seen_inputs import SeenInputs
from storyteller_trainer.character.training.training_network import Average, TrainingNetwork, make_optimizer
from storyteller_trainer.runs import distributed
from storyteller_trainer.runs.device import has_bfloat16, waits_to_be_asked
from storyteller_trainer.runs.history import Losses
from storyteller_trainer.runs.seeds import character_epoch_seed

_ADVICE = "lower the learning rate, or look at the data"
#: Rows of the validation side that are run at once: 8,192 x 384 float32 activations are 12 MB.
EVALUATION_BATCH = 8192


class Evaluation(msgspec.Struct, frozen=True):
    """How the network does on the validation side."""

    losses: Losses
    #: Term name to its loss, unweighted.
    terms: dict[str, float]
    metrics: Metrics


class Epoch(msgspec.Struct, frozen=True):
    """What one pass over the training side gave."""

    number: int
    learning_rate: float
    #: With dropout, while the weights changed.
    train: Losses
    validation: Evaluation
    #: Spent on it.
    seconds: float


class TrainState(msgspec.Struct, kw_only=True):
    """Where a run stands, apart from weights and optimizer."""

    plateau: Plateau
    #: Epochs done.
    epoch: int = 0
    best_loss: float | None = None
    best_epoch: int = 0
    #: The loss that the next one has to beat by `min_delta` for patience to be renewed.
    patience_loss: float | None = None
    #: Epochs since it did.
    waited: int = 0

    def update(self, loss: float, min_delta: float) -> None:
        """Takes in the validation loss of an epoch."""
        self.epoch += 1
        self.plateau.update(loss)
        if self.patience_loss is None or loss < self.patience_loss - min_delta:
            self.patience_loss, self.waited = loss, 0
        else:
            self.waited += 1
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch


class Trainer:
    """Trains one network by one recipe on the two sides of a split."""

    def __init__(self, recipe: Recipe, train: Source, validation: Source, places: AxisPlaces | None = None) -> None:
        """
        Args:
            recipe: of the training.
            train, validation: the two sides.
            places: where the axes of the data's archetypes lie; None where it is not known, and none is dealt out.
        """
        self.recipe = recipe
        self._train = train
        self._validation = validation
        self._device = train.device
        torch.manual_seed(character_epoch_seed(recipe.seed, 0))
        self._deal_axes = AxisDealer(places, self._device) if recipe.augment and places is not None else None
        #: Whether a batch is worked on in several shares.
        self._in_parts = distributed.size() > 1 or recipe.accumulate > 1
        # Made on the CPU and then moved, so that a seed gives the same first weights on every device.
        first = CharacterModel(recipe.dropout)
        if recipe.step_units:
            begin_by_rules(first)
        #: What the network in training sees of the inputs.
        self.inputs = SeenInputs.of(train, standardize=recipe.standardize)
        bfloat16 = recipe.precision == "auto" and has_bfloat16(self._device)
        #: What is trained.
        self.network = TrainingNetwork(first.to(self._device), self.inputs.columns, bfloat16=bfloat16)
        # Asked for once: to ask the modules for them at every step takes longer than some of its arithmetic.
        self._parameters = list(self.network.parameters())
        self._average = Average(self.network.model, recipe.averaging)
        #: What is judged and saved: the averaged weights, on all inputs as they are.
        self.model = CharacterModel().to(self._device).eval()
        self._weights = torch.tensor(list(recipe.head_weights.values()), device=self._device)
        self._optimizer = make_optimizer(self.network, recipe)
        self.train_state = TrainState(plateau=Plateau(factor=recipe.lr_factor, patience=recipe.lr_patience))
        #: The first step of the epoch that was not finite, where the device is not asked at each.
        self._first_fault = torch.full((), math.inf, device=self._device)
        #: Where steps are recorded and launched as a whole; a batch in shares asks other processes in between.
        records = self._device.type == "cuda" and not self._in_parts
        self._recorded = RecordedSteps(self._update, record_cuda_graph) if records else None
        self._deploy()

    @property
    def steps_per_epoch(self) -> int:
        """The last batch of an epoch may be smaller than the others; it is not dropped."""
        return math.ceil(len(self._train) / self.recipe.batch_size)

    def should_stop(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        return self.train_state.epoch >= self.recipe.epochs or self.train_state.waited >= self.recipe.patience

    def run_epoch(self, after_step: Callable[[int, int], None] = lambda done, of: None) -> Epoch:
        """Trains one epoch, validates, and moves the schedule on.

        Args:
            after_step: called with the number of steps done and to do; an exception it raises ends the epoch.

        Raises:
            StorytellerError: a loss or a gradient is not finite; `model` is that of before this step, or, where steps
                are checked at the end, of before this epoch.
        """
        started = time.perf_counter()
        learning_rate = self.recipe.learning_rate * self._scale(self.steps_per_epoch)
        train = self.train_epoch(after_step)
        evaluation = distributed.by_leader(self.validate, Evaluation)
        self.train_state.update(evaluation.losses.total, self.recipe.min_delta)
        return Epoch(self.train_state.epoch, learning_rate, train, evaluation, time.perf_counter() - started)

    def train_epoch(self, after_step: Callable[[int, int], None] = lambda done, of: None) -> Losses:
        """One pass over the training side in a new order; errors as in `run_epoch`."""
        seed = character_epoch_seed(self.recipe.seed, self.train_state.epoch + 1)
        batches = self._train.shuffled(self.recipe.batch_size, torch.Generator().manual_seed(seed))
        torch.manual_seed(seed)  # for the augmentation and the dropout
        self.network.train()
        self._first_fault.fill_(math.inf)
        if self._recorded is not None:
            numbers = [self._step_numbers(step) for step in range(1, self.steps_per_epoch + 1)]
            self._epoch_numbers = torch.tensor(numbers, device=self._device)
        sums = torch.zeros(len(HEADS), device=self._device)
        for step, batch in enumerate(batches, start=1):
            sums += self.train_step(batch, step) * len(batch.features)
            after_step(step, self.steps_per_epoch)
        if (fault := float(self._first_fault)) != math.inf:
            raise StorytellerError(
                f"epoch {self.train_state.epoch + 1}, step {fault:.0f}: a loss or a gradient is not finite; {_ADVICE}; "
                "the epochs before this one are kept, and --resume --device cpu names the part of the network"
            )
        self._deploy()
        return self._losses((sums / len(self._train)).tolist())

    def train_step(self, batch: Batch, step: int) -> Tensor:
        """One update from a batch of the training side; returns the head losses [4] before it.

        Args:
            batch: the examples; step: which one of its epoch this is, from 1.

        Raises:
            StorytellerError: a loss or a gradient is not finite; nothing was updated. Not where steps are checked at
                the end of the epoch.
        """
        if self._recorded is not None:
            return self._recorded(batch, self._epoch_numbers[step - 1])
        return self._update(batch, self._step_numbers(step))

    def _update(self, batch: Batch, numbers: StepNumbers) -> Tensor:
        """As in `train_step`, by numbers that may lie on the device."""
        for parameter in self._parameters:
            parameter.grad = None
        features, labels = batch
        if self.recipe.augment:
            features, labels = augment(features, labels)
            if self._deal_axes is not None:
                self._deal_axes(features, labels)
        features = self.inputs(features)
        heads = torch.zeros(len(HEADS), device=self._device)
        masks = self.network.draw_masks(len(features)) if self._in_parts else None
        for share in distributed.shares(len(features), self.recipe.accumulate):
            of_share = None if masks is None else [mask[share.rows] for mask in masks]
            part = self.network(features[share.rows], labels[share.rows], of_share)
            (part @ self._weights * share.weight).backward()
            heads += part.detach() * share.weight
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        distributed.all_reduce([heads, *gradients])
        norm = get_total_norm(gradients)
        # One test for all: a single non-finite part makes the sum non-finite.
        finite = torch.isfinite(heads.sum() + norm)
        if waits_to_be_asked(self._device):
            here = self._first_fault.clamp(max=numbers.step)
            self._first_fault.copy_(torch.where(finite, self._first_fault, here))
        elif not finite:
            raise StorytellerError(self._complaint(heads, int(numbers.step)))
        self._optimizer.step(numbers.scale)
        self._average.update(numbers.newest)
        return heads

    def _step_numbers(self, step: int) -> StepNumbers:
        """Those of a step, from 1, of the epoch under way."""
        so_far = self.train_state.epoch * self.steps_per_epoch + step
        return StepNumbers(step, self._scale(step), self._average.share_of_newest(so_far))

    def _scale(self, step: int) -> float:
        """What the learning rates are multiplied by at a step, from 1, of the epoch under way."""
        if self.recipe.schedule == "plateau":
            return self.train_state.plateau.scale
        done = self.train_state.epoch + (step - 1) / self.steps_per_epoch
        return 1 - done / self.recipe.epochs

    def _deploy(self) -> None:
        """Puts the weights as they stand into the network that is judged and saved."""
        self.model.load_state_dict(self.inputs.unfold(self._average.tensors()))

    @torch.no_grad()
    def validate(self) -> Evaluation:
        """Losses and metrics on the validation side, without dropout.

        Raises:
            StorytellerError: a loss is not finite.
        """
        counter = MetricsCounter()
        sums: dict[str, float] = {name: 0.0 for names in TERMS.values() for name in names}
        for features, labels in self._validation.in_order(EVALUATION_BATCH):
            outputs = self.model(features)
            means = torch.stack(list(loss_terms(outputs, labels).values())).tolist()
            for name, mean in zip(sums, means, strict=True):
                sums[name] += mean * len(labels)
            counter.add(torch.cat(list(outputs.values()), dim=1).cpu().numpy(), labels.cpu().numpy())
        terms = {name: total / len(self._validation) for name, total in sums.items()}
        losses = self._losses([sum(terms[name] for name in names) for names in TERMS.values()])
        for name, value in losses.heads.items():
            if not math.isfinite(value):
                raise StorytellerError(f"epoch {self.train_state.epoch}: the validation loss of head {name} is {value}")
        return Evaluation(losses, terms, counter.result())

    def state(self) -> dict[str, Tensor]:
        """All tensors that it takes to go on, and those of `model`, by name; with `train_state` they are complete."""
        further = {f"{STATE_PREFIX}{name}": tensor for name, tensor in self._training_tensors().items()}
        return self.model.state_dict() | further

    def _training_tensors(self) -> dict[str, Tensor]:
        """What `model` is made of, and what only training needs."""
        parts = {
            "network": self.network.state_dict(),
            "average": self._average.tensors(),
            "optimizer": self._optimizer.tensors(),
        }
        return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def load_state(self, tensors: Mapping[str, Tensor], train_state: TrainState) -> None:
        """Goes on from where another trainer of the same recipe and data stood.

        Raises:
            KeyError, RuntimeError: a tensor is missing or does not fit.
        """
        with torch.no_grad():
            for name, tensor in self._training_tensors().items():
                tensor.copy_(tensors[f"{STATE_PREFIX}{name}"])
        self.train_state = train_state
        self._deploy()

    def synchronize(self) -> None:
        """Takes over the tensors of the first process, so that all begin with the same bits."""
        distributed.broadcast([*self._training_tensors().values(), *self.inputs.tensors()])
        self._deploy()

    def _losses(self, heads: list[float]) -> Losses:
        total = sum(weight * loss for weight, loss in zip(self.recipe.head_weights.values(), heads, strict=True))
        return Losses(total, dict(zip(HEADS, heads, strict=True)))

    def _complaint(self, heads: Tensor, step: int) -> str:
        place = f"epoch {self.train_state.epoch + 1}, step {step}"
        advice = f"{_ADVICE}; the weights before this step are kept"
        for name, value in zip(HEADS, heads.tolist(), strict=True):
            if not math.isfinite(value):
                return f"{place}: the loss of head {name} is {value}; {advice}"
        # The heads come first: what is wrong in one of them reaches the trunk too.
        parts = {f"head {name}": head for name, head in self.network.model.heads.items()}
        parts |= {"the trunk": self.network.model.trunk}
        for name, part in parts.items():
            norm = float(get_total_norm([p.grad for p in part.parameters() if p.grad is not None]))
            if not math.isfinite(norm):
                return f"{place}: the gradient norm of {name} is {norm}; {advice}"
        return f"{place}: the gradient norm of the whole network is beyond float32; {advice}"
