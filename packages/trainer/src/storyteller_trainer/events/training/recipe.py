"""How a classifier is trained: every value that shapes the result, and what suits each encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.runs.recipe_values import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    UP_TO_1,
    Bound,
    check_values,
    one_of,
    value,
    with_options,
)

duration = partial(value, section="Recipe: course of the training")
step = partial(value, section="Recipe: optimizer and loss")


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

    #: The learning rate falls to 0 over all of them.
    epochs: int = duration(5, "--epochs", AT_LEAST_1, "At most this many passes over the data.")

    batch_size: int = duration(32, "--batch-size", AT_LEAST_1, "Sentences in a step.")

    #: On the validation part.
    patience: int = duration(3, "--patience", AT_LEAST_1, "Stop after this many epochs without a better score.")

    seed: int = duration(
        42, "--seed", Bound(lambda value: value >= 0, "0 or more"), "Of split, new weights, order and dropout."
    )

    split: Strategy = duration(  # noqa: RUF009 - a field
        Strategy.RANDOM, "--split", one_of(*Strategy), "How the part is drawn that chooses the epoch."
    )

    #: Floats of the forward and backward pass.
    precision: Precision = duration(  # noqa: RUF009 - a field
        Precision.AUTO, "--precision", one_of(*Precision), "Half precision is for CUDA only."
    )

    learning_rate: float = step(2e-5, "--lr", ABOVE_0, "Learning rate after the warm-up.")

    head_rate: float = step(1.0, "--head-rate", ABOVE_0, "Learning rate of the new heads, as a multiple of --lr.")

    warmup_ratio: float = step(0.1, "--warmup-ratio", UP_TO_1, "Share of the steps over which the learning rate rises.")

    #: Decoupled (AdamW), on matrices; not on biases and norms.
    weight_decay: float = step(0.01, "--weight-decay", AT_LEAST_0, "Decoupled weight decay, of matrices.")

    #: The event loss has 1.
    ner_weight: float = step(1.0, "--ner-weight", ABOVE_0, "Weight of the entity loss in the joint task.")

    #: 1 for weights of the inverse frequency, at most 10; 0 for labels that all count the same.
    label_weighting: float = step(
        1.0, "--label-weighting", UP_TO_1, "Power of the inverse frequency by which entity labels weigh."
    )

    def __post_init__(self) -> None:
        check_values(self)

    def with_options(self, **options: object) -> Recipe:
        """The same with some values changed; an option of None changes nothing.

        Raises:
            WrongValue: there is no such value, or it is not what it may be.
        """
        return with_options(self, options)

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Linear warm-up to the peak, then linear decay towards 0; `step` counts from 1 to `steps`."""
        warmup = math.ceil(self.warmup_ratio * steps)
        if step <= warmup:
            return self.learning_rate * step / warmup
        return self.learning_rate * (steps - step + 1) / (steps - warmup + 1)


#: What an encoder needs that differs from the defaults. MiniLM has a sixth of the weights of a base-size encoder and
#: learns at a tenfold rate; at 2e-5 it is still far from done after the time that two cores have. Its heads learn
#: faster still: they then fit the encoder as it was pre-trained instead of bending it to random heads, which
#: sentences of unseen skeletons gain by, and rare labels weigh no more than others, by which entities of real text gain
#: (docs/events.md).
RECIPES: dict[str, Recipe] = {"minilm": Recipe(learning_rate=2e-4, head_rate=50.0, label_weighting=0.0)}


def recipe_for(encoder: str) -> Recipe:
    """The recipe of an encoder by the name that the user gives it."""
    return RECIPES.get(encoder, Recipe())
