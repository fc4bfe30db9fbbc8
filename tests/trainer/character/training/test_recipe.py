"""The recipe: the reference values, and a message for each that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.training.recipe import RECIPES, Recipe


def test_the_reference_recipe() -> None:
    assert RECIPES["reference"].as_dict() == {
        "epochs": 100,
        "batch_size": 256,
        "accumulate": 1,
        "precision": "fp32",
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "muon_learning_rate": 0.03,
        "weight_decay": 1e-4,
        "schedule": "plateau",
        "dropout": 0.3,
        "standardize": False,
        "step_units": False,
        "augment": False,
        "expected_labels": False,
        "averaging": 0.0,
        "lr_factor": 0.5,
        "lr_patience": 5,
        "patience": 10,
        "min_delta": 1e-4,
        "seed": 42,
        "val_fraction": 0.2,
        "action_weight": 0.35,
        "speech_weight": 0.20,
        "thought_weight": 0.20,
        "emotion_weight": 0.25,
    }


def test_options_change_values_and_none_changes_nothing() -> None:
    changed = Recipe().with_options(epochs=3, dropout=0.0, seed=None)
    assert (changed.epochs, changed.dropout, changed.seed, changed.batch_size) == (3, 0.0, 42, 256)


def test_the_weights_by_head() -> None:
    assert Recipe(emotion_weight=1).head_weights == {"action": 0.35, "speech": 0.2, "thought": 0.2, "emotion": 1}


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", -4, "at least 1"),
        ("accumulate", 0, "from 1 to batch_size"),
        ("accumulate", 257, "from 1 to batch_size, 256"),
        ("patience", 0, "at least 1"),
        ("lr_patience", -1, "0 or more"),
        ("seed", -1, "0 or more, and below"),
        ("seed", 2**64, "0 or more, and below"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("learning_rate", float("inf"), "above 0"),
        ("weight_decay", -1.0, "0 or more"),
        ("min_delta", float("nan"), "0 or more"),
        ("dropout", 1.0, "from 0 to below 1"),
        ("averaging", 1.0, "from 0 to below 1"),
        ("optimizer", "sgd", "one of adamw, muon"),
        ("schedule", "cosine", "one of plateau, linear"),
        ("lr_factor", 1.0, "between 0 and 1"),
        ("val_fraction", 0.0, "between 0 and 1"),
        ("val_fraction", 1.0, "between 0 and 1"),
        ("thought_weight", -0.1, "0 or more"),
    ],
)
def test_a_value_out_of_range_is_named(option: str, value: Any, expected: str) -> None:
    with pytest.raises(StorytellerError, match=f"{option} is {value!r}; it must be {expected}"):
        Recipe(**{option: value})


def test_at_least_one_head_has_to_weigh_something() -> None:
    with pytest.raises(StorytellerError, match="at least one head"):
        Recipe(action_weight=0, speech_weight=0, thought_weight=0, emotion_weight=0)


def test_heads_are_weighted_in_the_order_of_the_outputs() -> None:
    assert list(HEAD_WEIGHTS) == list(HEADS)
    assert Recipe().head_weights == HEAD_WEIGHTS
