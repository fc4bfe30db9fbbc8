"""How a classifier is trained: every value that shapes the result, and what suits each encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from storyteller_schema.errors import StorytellerError

from storyteller_trainer.events.splits import Strategy


class Precision(StrEnum):
    """In which floats the forward and backward pass compute; weights and their updates are float32 always."""

    #: bf16 on a CUDA device that has it, fp16 on another, fp32 everywhere else.
    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The values of a training run. The defaults suit a base-size encoder on an accelerator."""

    epochs: int = 5
    """At most this many passes over the training part; the learning rate falls to 0 over all of them."""

    batch_size: int = 32
    """Sentences in one step."""

    learning_rate: float = 2e-5
    """At its peak, after the warm-up."""

    head_rate: float = 1.0
    """The learning rate of the new heads, as a multiple of the encoder's."""

    warmup_ratio: float = 0.1
    """Share of all steps over which the learning rate rises from 0."""

    weight_decay: float = 0.01
    """Decoupled (AdamW), on matrices; not on biases and norms."""

    patience: int = 3
    """Training stops after this many epochs without a better score on the validation part."""

    seed: int = 42
    """Of the split, the first weights of the heads, the order of the examples and the dropout."""

    split: Strategy = Strategy.RANDOM
    """How the part is drawn that chooses the epoch."""

    ner_weight: float = 1.0
    """Weight of the entity loss in the joint task; the event loss has 1."""

    precision: Precision = Precision.AUTO
    """Floats of the forward and backward pass."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("seed", self.seed >= 0, "0 or more")
        self._require("learning_rate", 0 < self.learning_rate < math.inf, "above 0")
        self._require("head_rate", 0 < self.head_rate < math.inf, "above 0")
        self._require("warmup_ratio", 0 <= self.warmup_ratio <= 1, "from 0 to 1")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        self._require("ner_weight", 0 < self.ner_weight < math.inf, "above 0")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise StorytellerError(f"{name} is {getattr(self, name)!r}; it must be {expected}")

    def with_options(self, **options: Any) -> Recipe:
        """The same with some values changed; an option of None changes nothing.

        Raises:
            StorytellerError: a value is out of its range.
        """
        return replace(self, **{name: value for name, value in options.items() if value is not None})

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Linear warm-up to the peak, then linear decay towards 0; `step` counts from 1 to `steps`."""
        warmup = math.ceil(self.warmup_ratio * steps)
        if step <= warmup:
            return self.learning_rate * step / warmup
        return self.learning_rate * (steps - step + 1) / (steps - warmup + 1)


#: What an encoder needs that differs from the defaults. MiniLM has a sixth of the weights of a base-size encoder and
#: learns at a tenfold rate; at 2e-5 it is still far from done after the time that two cores have. Its heads learn
#: faster still: they then fit the encoder as it was pre-trained instead of bending it to random heads, which
#: sentences of unseen skeletons gain by (docs/events.md).
RECIPES: dict[str, Recipe] = {"minilm": Recipe(learning_rate=2e-4, head_rate=50.0, epochs=3)}


def recipe_for(encoder: str) -> Recipe:
    """The recipe of an encoder by the name that the user gives it."""
    return RECIPES.get(encoder, Recipe())
