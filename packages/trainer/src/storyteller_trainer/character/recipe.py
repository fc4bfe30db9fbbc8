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

    accumulate: int = 1
    """The gradient of a batch is added up from that of this many parts, which one process computes one after the other
    and several divide among themselves. It changes nothing but how sums are rounded."""

    optimizer: str = "adamw"
    """`adamw`, or `muon`: Muon for the matrices in front of hidden layers, and AdamW for the rest."""

    learning_rate: float = 1e-3
    """Of AdamW, at its highest."""

    muon_learning_rate: float = 0.03
    """Of Muon, at its highest."""

    weight_decay: float = 1e-4
    """Decoupled, on weights and biases alike."""

    schedule: str = "plateau"
    """`plateau`: the learning rate falls when the validation loss does not. `linear`: it rises over `warmup`, then
    falls in a straight line to 0 after the last epoch."""

    warmup: float = 0.05
    """Share of all steps, for the linear schedule."""

    dropout: float = 0.3
    """Probability with which a unit of the trunk's first two layers is left out."""

    lr_factor: float = 0.5
    """The learning rate is multiplied by this on a plateau."""

    lr_patience: int = 5
    """Epochs without a better validation loss, by 0.01 % of it, that are not yet a plateau."""

    standardize: bool = False
    """Train on inputs of mean 0 and deviation 1; what is saved takes raw inputs (standardize.py)."""

    augment: bool = False
    """Make new examples out of each batch, by what the labels do not depend on (augment.py)."""

    averaging: float = 0.0
    """The weights that are judged and saved are a running average that keeps this share at each step."""

    thought_emphasis: float = 1.0
    """While training, the thought head's loss counts this many times its weight. Reported losses do not."""

    auxiliary: float = 0.0
    """While training, weight of a second reading of the dominant emotion, as one of eight, by a layer that is not
    saved."""

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
        self._require("accumulate", 1 <= self.accumulate <= self.batch_size, f"from 1 to batch_size, {self.batch_size}")
        self._require("lr_patience", self.lr_patience >= 0, "0 or more")
        self._require("seed", 0 <= self.seed < 2**63, "0 or more, and below 2**63")
        for name in ("learning_rate", "muon_learning_rate"):
            self._require(name, 0 < getattr(self, name) < math.inf, "above 0")
        for name in ("dropout", "warmup", "averaging"):
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        for name, values in CHOICES.items():
            self._require(name, getattr(self, name) in values, f"one of {', '.join(values)}")
        self._require("lr_factor", 0 < self.lr_factor < 1, "between 0 and 1")
        self._require("val_fraction", 0 < self.val_fraction < 1, "between 0 and 1")
        for name in ("weight_decay", "min_delta", "thought_emphasis", "auxiliary", *_WEIGHTS):
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

#: The values that are words, and which words.
CHOICES: dict[str, tuple[str, ...]] = {"optimizer": ("adamw", "muon"), "schedule": ("plateau", "linear")}

#: The presets by name. docs/recipe.md says what each ingredient of `default` brings.
RECIPES: dict[str, Recipe] = {
    "default": Recipe(
        epochs=40,
        optimizer="muon",
        learning_rate=3e-3,
        schedule="linear",
        dropout=0.0,
        augment=True,
        averaging=0.99,
        auxiliary=1.0,
        patience=40,
    ),
    "reference": Recipe(),
}
#: The preset that is taken when none is named.
DEFAULT_RECIPE = "default"
