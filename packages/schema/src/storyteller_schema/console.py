"""What every console command of the workspace does alike.

`.env` is read first; a `StorytellerError`, or an error of the system such as a full disk, is printed to stderr and ends
with exit code 1; wrong use, and a `.env` that cannot be used, ends with 2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.console import Console

from storyteller_schema.env_file import EnvFileError
from storyteller_schema.errors import StorytellerError
from storyteller_schema.settings import load_env

#: Results go to stdout, messages about the work to stderr.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class WrongUse(click.ClickException):
    """Ends a command with 2: nothing was done."""

    exit_code = 2


class Command(click.Command):
    """A click command with the workspace's conventions."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            load_env()  # not before: --help works whatever is in it
            return super().invoke(ctx)
        except EnvFileError as error:
            raise WrongUse(str(error)) from error
        except StorytellerError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # whoever read the output has stopped reading; click ends quietly
        except OSError as error:
            # A full disk, a folder without permission: nothing that a traceback would explain better.
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


class Group(click.Group):
    """A group whose commands keep the conventions."""

    command_class = Command


CONTEXT: Mapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def command(name: str) -> Callable[[Callable[..., Any]], Command]:
    """`@command("the-name")` in place of `click.command`; the docstring is the help text."""
    return click.command(name, cls=Command, context_settings=dict(CONTEXT))


def group(name: str) -> Callable[[Callable[..., Any]], Group]:
    """`@group("the-name")` in place of `click.group`."""
    return click.group(name, cls=Group, context_settings=dict(CONTEXT))


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of a table.")


def print_json(value: Any) -> None:
    """Writes a result to stdout as JSON, for another program to read."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
