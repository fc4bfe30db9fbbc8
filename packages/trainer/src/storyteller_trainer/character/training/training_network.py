"""The network as it is trained: in parts of a batch, in two precisions, with an average of its weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.network import TRUNK, CharacterModel
from storyteller_trainer.character.training.optimizer import AdamW, CombinedOptimizer, Muon, Optimizer
from storyteller_trainer.character.training.recipe import Recipe


class TrainingNetwork(nn.Module):
    """The character model with its losses, computed as training wants it; the model is what will be saved."""

    def __init__(self, model: CharacterModel, inputs: Tensor, *, bfloat16: bool = False) -> None:
        """Args:
        model: what is trained; its first layer is changed to read some of the inputs alone.
        inputs: [seen] int64, which ones.
        bfloat16: compute the hidden layers behind the first one in bfloat16. The weights and the last layers are
            float32, and so is the first layer, whose steps tell inputs apart that are the same in bfloat16.
        """
        super().__init__()
        self._bfloat16 = bfloat16
        self.model = model
        first = model.first_layer
        first.weight = nn.Parameter(first.weight.detach().index_select(1, inputs))
        first.in_features = len(inputs)

    def draw_masks(self, rows: int) -> list[Tensor]:
        """What dropout makes of a whole batch, for its shares to be worked on one by one.

        Args:
            rows: of the batch.

        Returns:
            For each dropout layer of the trunk [rows, units]: 0, or what the unit's value is multiplied by; drawn as
            the layers draw them when all of the batch goes through in one go. None where nothing is left out.
        """
        weight = self.model.first_layer.weight
        return [
            weight.new_empty(rows, units).bernoulli_(1 - layer.p).div_(1 - layer.p)
            for layer, units in zip(_dropouts(self.model.trunk), TRUNK, strict=False)
            if layer.p > 0
        ]

    def forward(self, features: Tensor, labels: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
        """The heads' losses [4].

        Args:
            features: [rows, seen], as from `SeenInputs`; labels: [rows, outputs].
            masks: the rows' part of `draw_masks`; None where the rows are a whole batch, for which the dropout layers
                draw by themselves.
        """
        first, *others = self.model.trunk
        trunk = first(features)
        hidden: dict[str, Tensor] = {}
        outputs: dict[str, Tensor] = {}
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self._bfloat16):
            trunk = masked(others, trunk, masks)
            for name, head in self.model.heads.items():
                into, activation, _ = head.children()
                hidden[name] = activation(into(trunk)).float()
        for name, head in self.model.heads.items():
            *_, last = head.children()
            outputs[name] = last(hidden[name])
        return head_losses(loss_terms(outputs, labels))


def masked(layers: Iterable[nn.Module], hidden: Tensor, masks: Sequence[Tensor] | None) -> Tensor:
    """What layers make of values [rows, units], with given masks [rows, units] in the place of their dropout.

    Args:
        masks: one for each dropout layer, none where nothing is left out; None for what the dropout layers draw.
    """
    left = iter(masks or ())
    for layer in layers:
        if masks is None or not isinstance(layer, nn.Dropout):
            hidden = layer(hidden)
        elif masks:
            hidden = hidden * next(left)
    return hidden


def _dropouts(trunk: nn.Sequential) -> list[nn.Dropout]:
    return [layer for layer in trunk if isinstance(layer, nn.Dropout)]


def make_optimizer(network: TrainingNetwork, recipe: Recipe) -> Optimizer:
    """The optimizer that a recipe asks for."""
    named = dict(network.named_parameters())
    if recipe.optimizer == "adamw":
        return AdamW(named.items(), recipe.learning_rate, recipe.weight_decay)
    last = {f"model.heads.{name}.2.weight" for name in network.model.heads}
    hidden = {name for name, parameter in named.items() if parameter.ndim == 2 and name not in last}
    return CombinedOptimizer(
        Muon(((name, named[name]) for name in named if name in hidden), recipe.muon_learning_rate, recipe.weight_decay),
        AdamW(((name, named[name]) for name in named if name not in hidden), recipe.learning_rate, recipe.weight_decay),
    )


class Average:
    """A running average of weights (Polyak and Juditsky, 1992), exponential; of a run's beginning it forgets more."""

    def __init__(self, model: nn.Module, keep: float) -> None:
        # Asked for once: these are the tensors that training changes in place.
        self._newest = model.state_dict()
        self._keep = keep
        self._values = {name: tensor.clone() for name, tensor in self._newest.items()}

    def share_of_newest(self, step: int) -> float:
        """The share that the weights after a step, from 1, have in the average."""
        return 1 - min(self._keep, step / (step + 19))

    @torch.no_grad()
    def update(self, share: float | Tensor) -> None:
        """To be called after each step, with `share_of_newest`: a number, or a scalar on the device."""
        for name, tensor in self._newest.items():
            self._values[name].lerp_(tensor, share)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights, by name."""
        return self._values
