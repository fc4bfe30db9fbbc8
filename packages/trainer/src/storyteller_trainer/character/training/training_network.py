"""What is trained: the network that will be saved, and what accompanies it only while it trains."""

from __future__ import annotations

import torch
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.predictions import PREDICTIONS
from torch import Tensor, nn
from torch.nn import functional as F

from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.network import HEAD_HIDDEN, CharacterModel
from storyteller_trainer.character.training.optimizer import AdamW, CombinedOptimizer, Muon, Optimizer
from storyteller_trainer.character.training.recipe import Recipe
from storyteller_trainer.runs.distributed import Share

_DOMINANT = PREDICTIONS.span("thought.dominant_emotion_index").start


class TrainingNetwork(nn.Module):
    """The character model with a second reading of the dominant emotion.

    The engine takes the dominant emotion as one float, its index, and squared error on an index says little about
    which emotion it should have been. The second reading is a classification over the thought head's hidden layer; it
    teaches that layer and is not saved.
    """

    def __init__(self, dropout: float, in_parts: bool = False) -> None:
        """Args:
        dropout: probability with which a unit is left out; in_parts: whether a batch is given in several shares.
        """
        super().__init__()
        self.model = CharacterModel(dropout)
        self._dropouts = share_dropout(self.model.trunk) if in_parts else []
        self.dominant = nn.Linear(HEAD_HIDDEN, len(Primary))

    def forward(self, features: Tensor, labels: Tensor, share: Share) -> tuple[Tensor, Tensor]:
        """The heads' losses [4], and the cross-entropy of the second reading (a scalar).

        Args:
            features: [rows, inputs], as the network sees them; labels: [rows, outputs]; share: which rows of the batch.
        """
        for dropout in self._dropouts:
            dropout.share = share
        trunk = self.model.trunk(features)
        outputs: dict[str, Tensor] = {}
        hidden: dict[str, Tensor] = {}
        for name, head in self.model.heads.items():
            first, activation, last = head.children()
            hidden[name] = activation(first(trunk))
            outputs[name] = last(hidden[name])
        reading = F.cross_entropy(self.dominant(hidden["thought"]), labels[:, _DOMINANT].long())
        return head_losses(loss_terms(outputs, labels)), reading


class SharedDropout(nn.Module):
    """Dropout for some rows of a batch, with the mask that is drawn when all of them are worked on in one go."""

    share: Share
    #: [rows of the batch, units]: 0, or what the unit's value is multiplied by.
    mask: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """[rows, units] with units left out."""
        if not self.training or self.p == 0:
            return values
        if self.share.first:
            self.mask = values.new_empty(self.share.total, values.shape[1]).bernoulli_(1 - self.p).div_(1 - self.p)
        return values * self.mask[self.share.rows]


def share_dropout(trunk: nn.Sequential) -> list[SharedDropout]:
    """Puts a `SharedDropout` in the place of every dropout layer, and returns these."""
    made: list[SharedDropout] = []
    for index, layer in enumerate(trunk):
        if isinstance(layer, nn.Dropout):
            made.append(SharedDropout(layer.p))
            trunk[index] = made[-1]
    return made


def make_optimizer(network: TrainingNetwork, recipe: Recipe) -> Optimizer:
    """The optimizer that a recipe asks for."""
    named = dict(network.named_parameters())
    if recipe.optimizer == "adamw":
        return AdamW(named.items(), recipe.learning_rate, recipe.weight_decay)
    last = {f"model.heads.{name}.2.weight" for name in network.model.heads} | {"dominant.weight"}
    hidden = {name for name, parameter in named.items() if parameter.ndim == 2 and name not in last}
    return CombinedOptimizer(
        Muon(((name, named[name]) for name in named if name in hidden), recipe.muon_learning_rate, recipe.weight_decay),
        AdamW(((name, named[name]) for name in named if name not in hidden), recipe.learning_rate, recipe.weight_decay),
    )


class Average:
    """A running average of weights (Polyak and Juditsky, 1992), exponential, that starts as a plain mean."""

    def __init__(self, model: nn.Module, keep: float) -> None:
        self._model = model
        self._keep = keep
        self._values = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """To be called after each step, with the number of steps so far."""
        keep = min(self._keep, step / (step + 9))
        for name, tensor in self._model.state_dict().items():
            self._values[name].lerp_(tensor, 1 - keep)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights, by name."""
        return self._values
