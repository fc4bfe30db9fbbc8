"""How a network is trained: every value that shapes the result, and the presets that name whole sets of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from storyteller_schema.errors import StorytellerError


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The values of a training run. The defaults are the reference recipe."""

    epochs: int = 100
    """At most this many passes over the training side."""

    batch_size: int = 256
    """Examples in one step."""

    learning_rate: float = 1e-3
    """At the start."""

    weight_decay: float = 1e-4
    """Decoupled (AdamW), on weights and biases alike."""

    dropout: float = 0.3
    """Probability with which a unit of the trunk's first two layers is left out."""

    lr_factor: float = 0.5
    """The learning rate is multiplied by this on a plateau."""

    lr_patience: int = 5
    """Epochs without a better validation loss, by 0.01 % of it, that are not yet a plateau."""

    patience: int = 10
    """Training stops after this many epochs in which the validation loss has not improved by `min_delta`."""

    min_delta: float = 1e-4
    """The smallest improvement that counts for `patience`, in units of the loss."""

    seed: int = 42
    """Of the split, the first weights, the order of the examples and the dropout."""

    val_fraction: float = 0.2
    """Share of the examples on the validation side."""

    action_weight: float = 0.35
    """Weight of the action head in the loss, and so on for the other three."""

    speech_weight: float = 0.20
    thought_weight: float = 0.20
    emotion_weight: float = 0.25

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("lr_patience", self.lr_patience >= 0, "0 or more")
        self._require("seed", 0 <= self.seed < 2**63, "0 or more, and below 2**63")
        self._require("learning_rate", 0 < self.learning_rate < math.inf, "above 0")
        self._require("dropout", 0 <= self.dropout < 1, "from 0 to below 1")
        self._require("lr_factor", 0 < self.lr_factor < 1, "between 0 and 1")
        self._require("val_fraction", 0 < self.val_fraction < 1, "between 0 and 1")
        for name in ("weight_decay", "min_delta", *_WEIGHTS):
            self._require(name, 0 <= getattr(self, name) < math.inf, "0 or more")
        self._require("action_weight", any(self.head_weights.values()), "above 0 for at least one head")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise StorytellerError(f"{name} is {getattr(self, name)!r}; it must be {expected}")

    @property
    def head_weights(self) -> dict[str, float]:
        """Head name to its weight in the loss, in wire order."""
        return {name.removesuffix("_weight"): getattr(self, name) for name in _WEIGHTS}

    def with_options(self, **options: Any) -> Recipe:
        """The same with some values changed; an option of None changes nothing.

        Raises:
            StorytellerError: a value is out of its range.
        """
        return replace(self, **{name: value for name, value in options.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """Every value by its name, for a checkpoint's metadata."""
        return asdict(self)


_WEIGHTS = ("action_weight", "speech_weight", "thought_weight", "emotion_weight")

#: The presets by name.
RECIPES: dict[str, Recipe] = {"reference": Recipe()}
