"""The values of a recipe: of the right kind and in range, wherever they come from."""

from __future__ import annotations

from typing import Any

import pytest
from storyteller_schema.common.errors import WrongValue
from storyteller_trainer.character.training.recipe import Recipe as CharacterRecipe
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.training.recipe import Recipe as EventRecipe


@pytest.mark.parametrize("recipe", [CharacterRecipe(), EventRecipe()])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": "3"}, "epochs is '3'; it must be a whole number, at least 1"),
        ({"epochs": 2.0}, "epochs is 2.0; it must be a whole number, at least 1"),
        ({"epochs": True}, "epochs is True; it must be a whole number, at least 1"),
        ({"learning_rate": "1e-3"}, "learning_rate is '1e-3'; it must be a number, above 0"),
        ({"learning_rate": [1]}, r"learning_rate is \[1\]; it must be a number, above 0"),
        ({"epoch": 3}, "'epoch' is no value of a recipe; these are: epochs, batch_size, "),
        ({"epoch": None}, "'epoch' is no value of a recipe"),
    ],
)
def test_options_from_python_are_checked_as_those_of_a_command_are(
    recipe: Any, options: dict[str, object], message: str
) -> None:
    with pytest.raises(WrongValue, match=message):
        recipe.with_options(**options)


def test_words_and_switches() -> None:
    assert EventRecipe().with_options(split="skeleton").split is Strategy.SKELETON
    with pytest.raises(WrongValue, match="split is 'both'; it must be one of random, skeleton"):
        EventRecipe().with_options(split="both")
    with pytest.raises(WrongValue, match="split is 3; it must be one of random, skeleton"):
        EventRecipe().with_options(split=3)
    for wrong in (1, "yes"):
        with pytest.raises(WrongValue, match=f"augment is {wrong!r}; it must be True or False"):
            CharacterRecipe().with_options(augment=wrong)


def test_a_whole_number_is_a_number() -> None:
    recipe = CharacterRecipe(learning_rate=1)
    assert recipe.learning_rate == 1.0
    assert isinstance(recipe.learning_rate, float)
    assert recipe.with_options(dropout=0, seed=None) == CharacterRecipe(learning_rate=1.0, dropout=0.0)
