"""The values of a recipe, each declared once: its default, what it may be, its option and its help.

A recipe is a frozen dataclass whose fields are made by `value` and whose `__post_init__` calls `check_values`.
recipe_options.py makes the options of a command out of it. So a value is checked by its declaration wherever it comes
from: a command, Python, or the metadata of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from storyteller_schema.common.errors import WrongValue

T = TypeVar("T")
R = TypeVar("R", bound="Any")

#: What a value of a kind has to be, after "it must be"; kinds of a few words say these instead.
_KINDS = {int: "a whole number, ", float: "a number, "}


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

    #: bool, int, float, str, or an Enum of words.
    kind: type[Any]
    flag: str
    help: str
    bound: Bound
    section: str

    def checked(self, name: str, found: object) -> Any:
        """What was found, as this kind of value.

        Raises:
            WrongValue: it is not what this value may be.
        """
        kinds = {float: (int, float)}.get(self.kind, str if issubclass(self.kind, Enum) else self.kind)
        if not isinstance(found, kinds) or (isinstance(found, bool) and self.kind is not bool):
            raise WrongValue(f"{name} is {found!r}; it must be {_KINDS.get(self.kind, '')}{self.bound.expected}", name)
        if not self.bound.holds(found):
            raise WrongValue(f"{name} is {found!r}; it must be {self.bound.expected}", name)
        return self.kind(found)


def value(default: T, flag: str, bound: Bound, help: str, *, section: str) -> T:
    """A field of a recipe.

    Args:
        flag: its option.
        help: what it is, in the help of a command.
        section: the heading under which the help shows it.
    """
    return field(default=default, metadata={"value": Value(type(default), flag, help, bound, section)})


def values(recipe: Any) -> dict[str, Value]:
    """Every value of a recipe, or of a class of recipes, by its name."""
    return {each.name: each.metadata["value"] for each in fields(recipe)}


def check_values(recipe: Any) -> None:
    """Checks every value of a new recipe, and gives it its kind: 1 is 1.0 where a number may be no whole one.

    Raises:
        WrongValue: a value of the recipe is not what it may be.
    """
    for name, each in values(recipe).items():
        object.__setattr__(recipe, name, each.checked(name, getattr(recipe, name)))


def with_options(recipe: R, options: Mapping[str, object]) -> R:
    """The same recipe with some values changed; an option of None changes nothing.

    Raises:
        WrongValue: a recipe has no such value, or it is not what it may be.
    """
    known = values(recipe)
    for name in options:
        if name not in known:
            raise WrongValue(f"{name!r} is no value of a recipe; these are: {', '.join(known)}")
    changed: R = replace(recipe, **{name: found for name, found in options.items() if found is not None})
    return changed
