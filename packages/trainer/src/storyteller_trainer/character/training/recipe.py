"""How a network is trained: every value that shapes the result, and the presets that name whole sets of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from storyteller_schema.common.errors import WrongValue

from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.runs.recipe_values import (
    ABOVE_0,
    AT_LEAST_0,
    AT_LEAST_1,
    BELOW_1,
    BETWEEN_0_AND_1,
    SWITCH,
    Bound,
    check_values,
    one_of,
    value,
    with_options,
)

duration = partial(value, section="Recipe: course of the training")
step = partial(value, section="Recipe: optimizer")
learning = partial(value, section="Recipe: what is learned from")
loss = partial(value, section="Recipe: loss")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The values of a training run. The defaults are the reference recipe."""

    epochs: int = duration(100, "--epochs", AT_LEAST_1, "At most this many passes over the data.")

    batch_size: int = duration(256, "--batch-size", AT_LEAST_1, "Examples in a step.")

    #: The gradient of a batch is added up from that of this many parts, which one process computes one after the other
    #: and several divide among themselves. It changes nothing but how sums are rounded.
    accumulate: int = duration(
        1,
        "--accumulate",
        Bound(lambda value: value >= 1, "from 1 to batch_size"),
        "Parts of a batch that are worked on one after the other.",
    )

    #: `auto`: hidden layers behind the first one in bfloat16 (training_network.py), on CPUs with instructions for it.
    precision: str = duration(
        "fp32", "--precision", one_of("fp32", "auto"), "fp32, or auto: bfloat16 in hidden layers on CPUs made for it."
    )

    patience: int = duration(10, "--patience", AT_LEAST_1, "Stop after this many epochs without improvement.")

    min_delta: float = duration(
        1e-4, "--min-delta", AT_LEAST_0, "The smallest improvement of the loss that counts for --patience."
    )

    seed: int = duration(
        42,
        "--seed",
        Bound(lambda value: 0 <= value < 2**63, "0 or more, and below 2**63"),
        "Of split, first weights, order and dropout.",
    )

    val_fraction: float = duration(0.2, "--val-fraction", BETWEEN_0_AND_1, "Share of the examples to validate on.")

    #: `adamw`, or `muon`: Muon for the matrices in front of hidden layers, and AdamW for the rest.
    optimizer: str = step(
        "adamw", "--optimizer", one_of("adamw", "muon"), "adamw, or muon with adamw for what is no hidden matrix."
    )

    learning_rate: float = step(1e-3, "--lr", ABOVE_0, "Highest learning rate of AdamW.")

    muon_learning_rate: float = step(0.03, "--muon-lr", ABOVE_0, "Highest learning rate of Muon.")

    #: On weights and biases alike.
    weight_decay: float = step(1e-4, "--weight-decay", AT_LEAST_0, "Decoupled weight decay.")

    #: The weights that are judged and saved are a running average that keeps this share at each step.
    averaging: float = step(
        0.0, "--averaging", BELOW_1, "Share that the running average of the weights keeps at a step."
    )

    #: `plateau`: the learning rate falls when the validation loss does not. `linear`: it falls in a straight line, to
    #: 0 after the last epoch.
    schedule: str = step(
        "plateau", "--schedule", one_of("plateau", "linear"), "plateau, or linear: in a straight line to 0."
    )

    lr_factor: float = step(
        0.5, "--lr-factor", BETWEEN_0_AND_1, "The learning rate is multiplied by this on a plateau."
    )

    #: Epochs without a better validation loss, by 0.01 % of it, that are not yet a plateau.
    lr_patience: int = step(5, "--lr-patience", AT_LEAST_0, "Epochs without improvement that are not yet a plateau.")

    #: Units of the first layer begin as steps at the bounds of the label rules (first_weights.py).
    step_units: bool = learning(
        False,
        "--step-units",
        SWITCH,
        "Begin with first-layer units that are steps at the bounds of the engine's rules.",
    )

    #: Probability with which a unit of the trunk's first two layers is left out.
    dropout: float = learning(0.3, "--dropout", BELOW_1, "Share of the trunk's units that a step leaves out.")

    #: Train on inputs of mean 0 and deviation 1 (standardize.py).
    standardize: bool = learning(
        False, "--standardize", SWITCH, "Train on standardised inputs; the saved network takes raw ones."
    )

    #: Make new examples out of each batch (augment.py).
    augment: bool = learning(False, "--augment", SWITCH, "Vary in each batch what the labels do not depend on.")

    #: Train on labels as the rules expect them (expected.py), where all rules are found to hold. The training loss is
    #: then that of expected labels; validation and every reported loss keep the labels as they were drawn.
    expected_labels: bool = learning(
        False, "--expected-labels", SWITCH, "Train on what the engine's rules expect of each label."
    )

    action_weight: float = loss(
        HEAD_WEIGHTS["action"], "--action-weight", AT_LEAST_0, "Weight of the action head in the loss."
    )
    speech_weight: float = loss(HEAD_WEIGHTS["speech"], "--speech-weight", AT_LEAST_0, "Weight of the speech head.")
    thought_weight: float = loss(HEAD_WEIGHTS["thought"], "--thought-weight", AT_LEAST_0, "Weight of the thought head.")
    emotion_weight: float = loss(HEAD_WEIGHTS["emotion"], "--emotion-weight", AT_LEAST_0, "Weight of the emotion head.")

    def __post_init__(self) -> None:
        check_values(self)
        if self.accumulate > self.batch_size:
            raise WrongValue(
                f"accumulate is {self.accumulate!r}; it must be from 1 to batch_size, {self.batch_size}", "accumulate"
            )
        if not any(self.head_weights.values()):
            raise WrongValue(
                f"action_weight is {self.action_weight!r}; it must be above 0 for at least one head", *_WEIGHTS
            )

    @property
    def head_weights(self) -> dict[str, float]:
        """Head name to its weight in the loss, in wire order."""
        return {name.removesuffix("_weight"): getattr(self, name) for name in _WEIGHTS}

    def with_options(self, **options: object) -> Recipe:
        """The same with some values changed; an option of None changes nothing.

        Raises:
            WrongValue: there is no such value, or it is not what it may be.
        """
        return with_options(self, options)

    def as_dict(self) -> dict[str, Any]:
        """Every value by its name, for a checkpoint's metadata."""
        return asdict(self)


_WEIGHTS = ("action_weight", "speech_weight", "thought_weight", "emotion_weight")

#: The presets by name. docs/recipe.md says what each ingredient of `default` brings.
RECIPES: dict[str, Recipe] = {
    "default": Recipe(
        epochs=80,
        batch_size=640,
        precision="auto",
        optimizer="muon",
        learning_rate=0.01,
        muon_learning_rate=0.04,
        schedule="linear",
        step_units=True,
        dropout=0.0,
        augment=True,
        expected_labels=True,
        averaging=0.99,
        patience=80,
    ),
    "reference": Recipe(),
}
#: The preset that is taken when none is named.
DEFAULT_RECIPE = "default"
