"""The options of console commands, and what their values have to be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.files import not_utf8


class Option(click.Option):
    """An option under a heading of the help."""

    def __init__(self, *args: Any, section: str | None = None, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        if section:
            self.section = section


#: In place of `click.option`; takes `section`, the heading under which the help shows it.
option = partial(click.option, cls=Option)

json_option = option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of a table.")


class PathType(click.Path):
    """A path, as pathlib has it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuses a name that is not UTF-8, which no checkpoint, manifest or report could speak of."""
        # Of the working directory's own name, it is told as such (settings.py).
        if (name := not_utf8(value)) and not not_utf8("."):
            self.fail(f"{name!r} is not UTF-8; give it another name", param, ctx)
        return super().convert(value, param, ctx)


#: Something to read; whether it is there is for the command to say.
INPUT = PathType(path_type=Path)
#: Something to write. An old one need not be readable to be replaced.
OUTPUT_FILE = PathType(path_type=Path, dir_okay=False, readable=False)
OUTPUT_FOLDER = PathType(path_type=Path, file_okay=False, readable=False)


@contextmanager
def judging(name: str) -> Iterator[None]:
    """Around a check of an argument: what it refuses is wrong use.

    Args:
        name: of the argument, as the code calls it.

    Raises:
        WrongValue: in place of a StorytellerError.
    """
    try:
        yield
    except StorytellerError as error:
        raise WrongValue(str(error), name) from error


def refuse_beside(reason: str, *names: str) -> None:
    """Refuses options that another one leaves without a meaning.

    Args:
        reason: how that is, as in "--prose writes a fixed set".
        names: of the options, as the code calls them.

    Raises:
        click.UsageError: one of them stands on the command line.
    """
    for parameter in _on_the_line(names):
        raise click.UsageError(f"{reason}: {parameter.opts[-1]} says nothing about it; leave one of both out")


def words_given(*names: str) -> list[str]:
    """What stands on the command line of these options, for a hint to repeat; not what is the default anyway.

    Args:
        names: of the options, as the code calls them.
    """
    context = click.get_current_context()
    words = []
    for parameter in _on_the_line(names):
        value = context.params[str(parameter.name)]
        if value == parameter.get_default(context):
            continue
        if isinstance(value, bool):
            words += parameter.opts[-1:] if value else parameter.secondary_opts
        else:
            words += [parameter.opts[-1], str(value)]
    return words


def _on_the_line(names: Collection[str]) -> Iterator[click.Parameter]:
    context = click.get_current_context()
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in names and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            yield parameter
