"""The network: a shared trunk and one small head for each region of the prediction."""

from __future__ import annotations

from typing import cast

from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import HEADS
from torch import Tensor, nn

#: Widths of the trunk's layers and of each head's hidden layer.
TRUNK = (384, 256, 256)
HEAD_HIDDEN = 64
#: Every weight and bias of the network together.
PARAMETERS = 407_210


class CharacterModel(nn.Module):
    """Raw inputs to raw outputs, in four heads.

    Linear inputs-384, ReLU, Dropout, 384-256, ReLU, Dropout, 256-256, ReLU; each head 256-64, ReLU, 64-N. The last
    layer of the trunk has no dropout: the heads see all of what the trunk has found.
    """

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        first, second, third = TRUNK
        self.trunk = nn.Sequential(
            nn.Linear(FEATURES.size, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(second, third),
            nn.ReLU(),
        )
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(third, HEAD_HIDDEN), nn.ReLU(), nn.Linear(HEAD_HIDDEN, size))
                for name, size in HEADS.items()
            }
        )

    @property
    def first_layer(self) -> nn.Linear:
        """What reads the inputs."""
        return cast(nn.Linear, self.trunk[0])

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Head name to raw outputs [batch, size of the head], from features [batch, inputs] float32.

        Nothing is squashed: categorical slices and binary outputs are logits, floats are plain.
        """
        hidden = self.trunk(features)
        return {name: cast(Tensor, head(hidden)) for name, head in self.heads.items()}
