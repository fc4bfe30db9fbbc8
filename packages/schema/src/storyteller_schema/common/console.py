"""What every console command of the workspace does alike.

`.env` is read first. A `StorytellerError`, or an error of the system such as a full disk, is printed to stderr and ends
with exit code 1; wrong use, and a `.env` that cannot be used, with 2; Ctrl-C with 130.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.protocol import is_renderable
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from storyteller_schema.common import ctrl_c
from storyteller_schema.common.env_file import EnvFileError
from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.one_line import json_escaped, one_line, visible
from storyteller_schema.common.settings import load_env

#: Columns of a table that goes to a file or another program: more than any table has.
_UNBOUNDED = 10_000


class Output(Console):
    """A console that breaks lines only on a terminal: elsewhere a table is as wide as what is in it.

    Nothing is left out of a table that is too narrow, and its title is one line everywhere; rich would end a long word
    with an ellipsis, and break the title at the table's width.

    Every string and every cell of a table is one line of a sensible length (`one_line`): it may come from the data.
    """

    @property
    def options(self) -> ConsoleOptions:
        """Read by rich before it prints."""
        found = super().options
        return found if self.is_terminal else found.update_width(_UNBOUNDED)

    def print(self, *objects: Any, **options: Any) -> None:
        """As in rich."""
        for table in (thing for thing in objects if isinstance(thing, Table)):
            for column in table.columns:
                column.overflow = "fold"
            if isinstance(table.title, str):
                table.title = Text(one_line(table.title), style="table.title", no_wrap=True, overflow="ignore")
        super().print(*(thing if is_renderable(thing) else str(thing) for thing in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for whatever string it is to show."""
        return super().render_str(one_line(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Called by rich last; here comes what was no string but a `Text`."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else "\n".join(map(visible, segment.text.split("\n")))
            yield segment if shown == segment.text else Segment(shown, segment.style)


#: Results go to stdout, messages about the work to stderr. What is printed may come from the user's data, so nothing is
#: read as markup: style is given by `rich.text.Text`, or to a whole line.
out = Output(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Output(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

#: The heading of options that are given none.
GENERAL = "General"
C = TypeVar("C", bound=click.Command)

#: Columns of the help for the names of options.
NAMES = 28
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class WrongUse(click.ClickException):
    """Ends a command with 2: nothing was done."""

    exit_code = 2


class _ExampleLast(click.Command):
    """Shows the example, with which the docstring ends, at the end of the help."""

    def __init__(self, name: str | None, *, help: str | None = None, **attributes: Any) -> None:
        text, mark, example = inspect.cleandoc(help or "").partition("\b\nExample")
        super().__init__(name, help=text, epilog=mark + example, **attributes)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Reads the command line."""
        try:
            return super().make_context(*args, **extra)
        except click.ClickException as error:
            raise _shown_safely(error) from None


class Command(_ExampleLast):
    """A click command with the workspace's conventions."""

    def invoke(self, ctx: click.Context) -> Any:
        """Does the work, and tells how it ended."""
        try:
            with ctrl_c.working():
                load_env()  # not before: --help works whatever is in it
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
        except KeyboardInterrupt:
            raise _stopped() from None
        except click.exceptions.Exit:
            raise
        except Exception as error:
            if ctrl_c.pressed():
                raise _stopped() from None
            told = _told(error, ctx)
            if told is None:
                raise  # a defect of ours
            raise told from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, each under the heading of its section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", GENERAL), []).append(record)
        # As click does it for one list: the longer ones get a line of their own.
        width = max(len(name) for records in sections.values() for name, _ in records if len(name) <= NAMES)
        for title, records in sections.items():
            with formatter.section(title if len(sections) > 1 else "Options"):
                formatter.write_dl([(name.ljust(width), text) for name, text in records], col_max=NAMES)


class Group(_ExampleLast, click.Group):
    """A group whose commands keep the conventions."""

    command_class = Command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Finds the command that is called."""
        try:
            return super().resolve_command(ctx, args)
        except click.ClickException as error:
            raise _shown_safely(error) from None


def _stopped() -> click.exceptions.Exit:
    err.print(ctrl_c.MESSAGE)
    return click.exceptions.Exit(ctrl_c.EXIT_CODE)


def _shown_safely(error: click.ClickException) -> click.ClickException:
    """An error of click's, which repeats what was typed; its message becomes one line."""
    message = error.format_message
    error.format_message = lambda: one_line(message())  # type: ignore[method-assign]
    return error


def _told(error: Exception, ctx: click.Context) -> click.ClickException | None:
    """An error as the user is told it; None for one that is no user's to mend."""
    if isinstance(error, click.ClickException):
        return _shown_safely(error)
    if isinstance(error, OSError):
        # A full disk, a folder without permission: nothing that a traceback would explain better.
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return click.ClickException(one_line(f"{where}{error.strerror or error}"))
    if not isinstance(error, StorytellerError):
        return None
    message = "\n".join(map(one_line, error.lines))
    if isinstance(error, EnvFileError):
        return WrongUse(message)
    if isinstance(error, WrongValue):
        blamed = [each.get_error_hint(ctx) for each in ctx.command.params if each.name in error.names]
        if blamed:
            return click.BadParameter(message, ctx, param_hint=" and ".join(blamed))
        return click.UsageError(message, ctx)
    return click.ClickException(message)


def command(name: str) -> Callable[[Callable[..., Any]], Command]:
    """`@command("the-name")` in place of `click.command`; the docstring is the help text."""
    return lambda function: _versioned(click.command(name, cls=Command, context_settings=CONTEXT)(function), function)


def group(name: str) -> Callable[[Callable[..., Any]], Group]:
    """`@group("the-name")` in place of `click.group`."""
    return lambda function: _versioned(click.group(name, cls=Group, context_settings=CONTEXT)(function), function)


def _versioned(made: C, function: Callable[..., Any]) -> C:
    """With `--version`, of the package that the function stands in."""
    package = function.__module__.partition(".")[0].replace("_", "-")
    return click.version_option(package_name=package, message="%(prog)s %(version)s")(made)


def print_json(value: Any) -> None:
    """Writes a result to stdout as JSON, for another program to read."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # Of what is not to be seen, JSON leaves some as it is; it can stand in strings only, where \\uXXXX is the same.
    click.echo("\n".join(map(json_escaped, text.split("\n"))))
