"""The values of a recipe, each declared once: its default, what it may be, its option and its help.

A recipe is a frozen dataclass whose fields are made by `value` and whose `__post_init__` calls `check_values`.
recipe_options.py makes the options of a command out of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from storyteller_schema.common.errors import WrongValue

T = TypeVar("T")


class Bound(NamedTuple):
    """What a value may be."""

    holds: Callable[[Any], bool]
    #: After "it must be".
    expected: str
    #: All there are, where these are words.
    words: tuple[str, ...] = ()


AT_LEAST_1 = Bound(lambda value: value >= 1, "at least 1")
AT_LEAST_0 = Bound(lambda value: 0 <= value < math.inf, "0 or more")
ABOVE_0 = Bound(lambda value: 0 < value < math.inf, "above 0")
BELOW_1 = Bound(lambda value: 0 <= value < 1, "from 0 to below 1")
UP_TO_1 = Bound(lambda value: 0 <= value <= 1, "from 0 to 1")
BETWEEN_0_AND_1 = Bound(lambda value: 0 < value < 1, "between 0 and 1")
#: Either value of a switch.
SWITCH = Bound(lambda value: isinstance(value, bool), "True or False")


def one_of(*words: str) -> Bound:
    """One of these words."""
    return Bound(words.__contains__, f"one of {', '.join(words)}", words)


@dataclass(frozen=True)
class Value:
    """What is known about a value beside its name and default."""

    flag: str
    help: str
    bound: Bound
    section: str

    def check(self, name: str, found: Any) -> None:
        """
        Raises:
            WrongValue: `found` is not what this value may be.
        """
        if not self.bound.holds(found):
            raise WrongValue(f"{name} is {found!r}; it must be {self.bound.expected}", name)


def value(default: T, flag: str, bound: Bound, help: str, *, section: str) -> T:
    """A field of a recipe.

    Args:
        flag: its option.
        help: what it is, in the help of a command.
        section: the heading under which the help shows it.
    """
    return field(default=default, metadata={"value": Value(flag, help, bound, section)})


def values(recipe: Any) -> dict[str, Value]:
    """Every value of a recipe, or of a class of recipes, by its name."""
    return {each.name: each.metadata["value"] for each in fields(recipe)}


def check_values(recipe: Any) -> None:
    """
    Raises:
        WrongValue: a value of the recipe is not what it may be.
    """
    for name, each in values(recipe).items():
        each.check(name, getattr(recipe, name))
