"""The training loop of one classifier: steps, epochs, the best epoch, going on after a stop.

A plain PyTorch loop rather than the Trainer of transformers, for three things that it has to do. It looks at the loss
and the gradient before the optimizer's step, so that a bad step is never taken. Its state is safetensors and JSON; the
Trainer's is partly pickled. And a run can go on on another device within the same process.

Everything random derives from the seed and the epoch, and the state is written between epochs, so a resumed run takes
the same steps as one that was never stopped: on the CPU, to the bit.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import torch
from storyteller_schema.errors import StorytellerError
from storyteller_schema.files import write_atomic
from torch import nn

from storyteller_trainer.events.checkpoint import BEST, EventMetadata, save_encoder, save_weights, tokenizer_hash
from storyteller_trainer.events.encoders import Encoder
from storyteller_trainer.events.encoding import Batch, Encoded, collate, training_order
from storyteller_trainer.events.evaluate import evaluate
from storyteller_trainer.events.losses import label_weights, task_losses
from storyteller_trainer.events.models import Task, build_model, named_logits
from storyteller_trainer.events.recipe import Precision, Recipe
from storyteller_trainer.events.state import HISTORY, LAST, EpochRecord, RunState, load_state, save_state

#: Gradients of a larger norm are scaled down to it.
MAX_GRADIENT_NORM = 1.0


class NonFiniteError(StorytellerError):
    """A loss or a gradient that is no number; the step was not taken."""


class Watcher(Protocol):
    """What is told of a run while it goes on."""

    def epoch_begins(self, epoch: int, steps: int) -> None: ...

    def step_done(self, loss: float) -> None: ...

    def epoch_ended(self, record: EpochRecord, *, best: bool) -> None: ...


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and what chooses its best epoch."""

    train: list[Encoded]
    validation: list[Encoded]
    #: SHA-256, hex, of the file they come from.
    content_hash: str


class Session:
    """One run of one task on one device."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        encoder: Encoder,
        data: TrainingData,
        folder: Path,
        device: torch.device,
        watcher: Watcher,
    ) -> None:
        """
        Args:
            encoder: its weights are trained in place.
            folder: of the run; what it holds of an earlier run is replaced when training begins.

        Raises:
            StorytellerError: the precision asked for does not go with the device.
        """
        self.task, self.recipe, self.encoder, self.data = task, recipe, encoder, data
        self.folder, self.device, self.watcher = folder, device, watcher
        torch.manual_seed(recipe.seed)
        self.model = build_model(task, encoder.model).to(device)
        self.label_weights = label_weights(item.labels for item in data.train).to(device)
        self.optimizer = _adamw(self.model, recipe, device)
        self.autocast_dtype = _autocast_dtype(recipe.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast_dtype is torch.float16)
        #: Of the step that is being taken, counted from 1.
        self.step_in_epoch = 0
        self.state = RunState(
            task=task,
            encoder=encoder.name,
            recipe=recipe.as_dict(),
            data_hash=data.content_hash,
            tokenizer_hash=tokenizer_hash(encoder.tokenizer),
        )

    def begin(self) -> None:
        """Writes the state before the first step, over whatever run the folder held."""
        (self.folder / BEST).unlink(missing_ok=True)
        save_encoder(self.folder, self.encoder)
        self._save()

    def resume(self) -> None:
        """Takes up the run in the folder where it stopped.

        Raises:
            StorytellerError: there is none, or it was begun with other data, another encoder or another recipe.
        """
        saved = load_state(self.folder / LAST, self.state, self.model, self.optimizer)
        self.state = saved
        if saved.loss_scale is not None and self.scaler.is_enabled():
            self.scaler.load_state_dict(self.scaler.state_dict() | {"scale": saved.loss_scale})

    def run(self) -> RunState:
        """Trains until the last epoch or until patience runs out.

        Raises:
            NonFiniteError: a loss or gradient is no number.
        """
        while not self.finished:
            self.train_epoch()
        return self.state

    @property
    def finished(self) -> bool:
        """All epochs are done, or the last ones brought nothing better."""
        done = self.state.epoch
        return done >= self.recipe.epochs or done - (self.state.best_epoch or done) >= self.recipe.patience

    def train_epoch(self) -> None:
        """One pass over the training part, validation, and the state on disk."""
        started = time.perf_counter()
        epoch = self.state.epoch + 1
        seed = _epoch_seed(self.recipe.seed, epoch)
        torch.manual_seed(seed)
        batches = training_order(
            [len(item.ids) for item in self.data.train],
            self.recipe.batch_size,
            torch.Generator().manual_seed(seed),
        )
        self.watcher.epoch_begins(epoch, len(batches))
        self.model.train()
        sums: dict[str, float] = defaultdict(float)
        for index, rows in enumerate(batches):
            self.step_in_epoch = index + 1
            batch = collate([self.data.train[row] for row in rows]).to(self.device)
            step = (epoch - 1) * len(batches) + index
            losses = self.step(batch, self.recipe.learning_rate_at(step, self.recipe.epochs * len(batches)))
            for name, loss in losses.items():
                sums[name] += loss * len(rows)
            self.watcher.step_done(sum(losses.values()))
        trained = time.perf_counter()
        evaluation = evaluate(self.model, self.data.validation, self.device, self.label_weights)
        for name, value in evaluation.losses.items():
            self._require_finite(f"{name} validation loss", value)
        self._end_epoch(
            EpochRecord(
                epoch=epoch,
                train_loss={name: total / len(self.data.train) for name, total in sums.items()},
                validation_loss=evaluation.losses,
                validation=evaluation.summary(),
                score=evaluation.score,
                examples_per_second=len(self.data.train) / (trained - started),
                seconds=time.perf_counter() - started,
            )
        )

    def step(self, batch: Batch, learning_rate: float) -> dict[str, float]:
        """One optimizer step; the unweighted loss of each task.

        Raises:
            NonFiniteError: before the step, when a loss or the gradient is no number.
        """
        with torch.autocast(self.device.type, self.autocast_dtype, enabled=self.autocast_dtype is not None):
            logits = named_logits(self.model, batch.input_ids, batch.attention_mask)
        # The losses are computed in float32 whatever the encoder computes in.
        losses = task_losses({name: tensor.float() for name, tensor in logits.items()}, batch, self.label_weights)
        values = {name: loss.item() for name, loss in losses.items()}
        for name, value in values.items():
            self._require_finite(f"{name} loss", value)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.stack([self._weight(name) * loss for name, loss in losses.items()]).sum()
        torch.autograd.backward(self.scaler.scale(total))
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM).item()
        # fp16 overflows now and then by design: the scaler then skips the step and lowers its scale.
        if not self.scaler.is_enabled() or self.scaler.get_scale() < 1:
            self._require_finite("gradient norm", norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return values

    def _weight(self, loss: str) -> float:
        return self.recipe.ner_weight if self.task is Task.JOINT and loss == "ner" else 1.0

    def _end_epoch(self, record: EpochRecord) -> None:
        state = self.state
        best = not state.history or record.rank > state.history[state.best_epoch - 1].rank
        state.history.append(record)
        if best:
            state.best_epoch = record.epoch
            metadata = EventMetadata(
                task=self.task,
                encoder=self.encoder.name,
                family=self.encoder.family,
                parameters=sum(parameter.numel() for parameter in self.model.parameters()),
                epoch=record.epoch,
                validation=record.validation,
                data_hash=state.data_hash,
                seed=self.recipe.seed,
                tokenizer_hash=state.tokenizer_hash,
            )
            save_weights(self.folder / BEST, self.model, metadata)
        self._save()
        self.watcher.epoch_ended(record, best=best)

    def _save(self) -> None:
        self.state.loss_scale = self.scaler.get_scale() if self.scaler.is_enabled() else None
        save_state(self.folder / LAST, self.state, self.model, self.optimizer)
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in self.state.history)
        write_atomic(self.folder / HISTORY, lines)

    def _require_finite(self, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        state = self.state
        best = ""
        if state.best_epoch:
            best = f", and the best model so far (epoch {state.best_epoch}) in {self.folder / BEST}"
        advice = "Lower --lr, or look for damaged examples with --validate-only"
        if self.device.type != "cpu":
            advice = "Go on on the CPU: the same command with --resume --device cpu, or from now on with --on-nan cpu"
        if self.device.type == "mps" and self.encoder.family.startswith("deberta"):
            advice = f"DeBERTa is known to give NaN when it is trained on MPS, within the first epoch. {advice}"
        place = f"epoch {state.epoch + 1}, step {self.step_in_epoch}, on {self.device}"
        raise NonFiniteError(
            f"{self.task}: the {what} is {value} in {place}; the step was not taken. The state after epoch {state.epoch} "
            f"is kept in {self.folder / LAST}{best}. {advice}"
        )


def _adamw(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves vectors (biases, norms) alone."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=device.type in ("cpu", "cuda"))


def _autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """What autocast computes in; None for float32 throughout.

    Raises:
        StorytellerError: half precision on a device other than CUDA.
    """
    if precision is Precision.FP32 or (precision is Precision.AUTO and device.type != "cuda"):
        return None
    if device.type != "cuda":
        raise StorytellerError(f"--precision {precision} needs a CUDA device, and this is {device}; use fp32")
    if precision is Precision.BF16 or (precision is Precision.AUTO and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float16


def _epoch_seed(seed: int, epoch: int) -> int:
    """A seed of its own for each epoch, so that no generator's state has to be saved."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:8])
