"""The options that training commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.options import option

from storyteller_trainer.runs.recipe_values import Value, values

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def recipe_options(presets: Mapping[str, Any]) -> Decorator:
    """An option for every value of a recipe; None stands for one that was not given.

    Args:
        presets: recipes by their names, for the help to show what a value is where it is not given.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for name, each in reversed(values(next(iter(presets.values()))).items()):
            function = _recipe_option(name, each, [getattr(recipe, name) for recipe in presets.values()], presets)(
                function
            )
        return function

    return decorate


def _recipe_option(name: str, about: Value, defaults: list[Any], presets: Mapping[str, Any]) -> Decorator:
    default = defaults[0]
    if len(set(defaults)) == 1:
        shown = _shown(default)
    else:
        shown = ", ".join(f"{preset} {_shown(value)}" for preset, value in zip(presets, defaults, strict=True))
    flag = f"{about.flag}/--no-{about.flag.removeprefix('--')}" if isinstance(default, bool) else about.flag

    def checked(context: click.Context, parameter: click.Parameter, found: Any) -> Any:
        if found is None:
            return None
        try:
            return about.checked(name, found)
        except WrongValue as error:
            raise click.BadParameter(str(error), context, parameter) from error

    kind = click.Choice(list(map(str, about.bound.words))) if about.bound.words else about.kind
    return option(
        flag, name, type=kind, default=None, callback=checked, help=f"{about.help} [{shown}]", section=about.section
    )


def _shown(value: float | str) -> str:
    """A default as it stands in the help."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"


class Device(click.ParamType[str]):
    """The name of a device. Whether this machine has it is only known when PyTorch has been imported."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuses what is the name of no device."""
        if not re.fullmatch(r"auto|(cpu|mps|cuda)(:\d+)?", value):
            self.fail(f"{value!r} is no device; it must be auto, mps, cuda, cuda:N or cpu", param, ctx)
        return value


def device_option(section: str) -> Decorator:
    """`--device`, under a heading of the help."""
    text = "auto (MPS, CUDA, CPU), mps, cuda, cuda:N or cpu."
    return option("--device", type=Device(), default="auto", show_default=True, help=text, section=section)
