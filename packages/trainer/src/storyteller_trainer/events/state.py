"""The state of a run between two epochs: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import torch
from storyteller_schema.errors import StorytellerError
from storyteller_schema.metadata import event_fingerprint
from torch import nn

from storyteller_trainer.checkpoint import package_versions, read_tensors, save_tensors
from storyteller_trainer.events.models import Task

LAST = "last.safetensors"
HISTORY = "history.jsonl"
_MODEL = "model."
_OPTIMIZER = "optimizer."


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one epoch brought; a line of history.jsonl."""

    #: Counted from 1.
    epoch: int
    #: Mean over the training part while the weights changed, by task; then over the validation part.
    train_loss: dict[str, float]
    validation_loss: dict[str, float]
    #: `macro_f1`, `micro_f1` and/or `entity_f1` on the validation part.
    validation: dict[str, float]
    #: What the best epoch is chosen by.
    score: float
    #: In training, validation left out.
    examples_per_second: float
    seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """Epochs compare by score; between equal ones the lower validation loss is better."""
        return self.score, -sum(self.validation_loss.values())


class RunState(msgspec.Struct, kw_only=True):
    """What is known between two epochs, beside the tensors."""

    task: Task
    encoder: str
    recipe: dict[str, Any]
    data_hash: str
    tokenizer_hash: str
    fingerprint: str = msgspec.field(default_factory=event_fingerprint)
    history: list[EpochRecord] = msgspec.field(default_factory=list)
    #: 0 before the first epoch has ended.
    best_epoch: int = 0
    #: Of fp16 training; None otherwise.
    loss_scale: float | None = None
    versions: dict[str, str] = msgspec.field(default_factory=lambda: package_versions("transformers", "tokenizers"))

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return len(self.history)


def save_state(path: Path, state: RunState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Writes state, weights and the optimizer's moments as one file, atomically."""
    tensors = {f"{_MODEL}{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{_OPTIMIZER}{name}/{key}"] = value
    save_tensors(path, tensors, state)


def load_state(path: Path, begun: RunState, model: nn.Module, optimizer: torch.optim.Optimizer) -> RunState:
    """Loads weights and moments into a model and its optimizer.

    Args:
        begun: the state with which this run would begin afresh; what was saved must agree with it.

    Returns:
        The saved state.

    Raises:
        StorytellerError: there is no state, or it belongs to a run with other settings.
    """
    if not path.is_file():
        raise StorytellerError(f"{path}: there is no run to resume; leave --resume away to begin one")
    tensors, saved = read_tensors(path, RunState)
    for what, before, now in _settings(saved, begun):
        if before != now:
            raise StorytellerError(
                f"{path}: this run was begun with {what} {before}, not {now}; resume it with the options it was begun "
                "with, or leave --resume away to begin anew"
            )
    model.load_state_dict({name.removeprefix(_MODEL): t for name, t in tensors.items() if name.startswith(_MODEL)})
    parameters = dict(model.named_parameters())
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMIZER):
            parameter_name, _, key = name.removeprefix(_OPTIMIZER).rpartition("/")
            parameter = parameters[parameter_name]
            # The step count stays where AdamW made it; the moments live where the parameter does.
            optimizer.state[parameter][key] = tensor if tensor.dim() == 0 else tensor.to(parameter.device)
    return saved


def _settings(saved: RunState, begun: RunState) -> list[tuple[str, Any, Any]]:
    plain = [
        (name.replace("_", " "), getattr(saved, name), getattr(begun, name))
        for name in ("fingerprint", "task", "encoder", "data_hash", "tokenizer_hash")
    ]
    now = msgspec.to_builtins(begun.recipe)
    return plain + [(name, value, now.get(name)) for name, value in saved.recipe.items()]
