"""The surface of the console commands, against a frozen copy, and what the help of each has to say.

`commands.frozen.txt` holds every command with its arguments and options, on which the scripts of users depend. A change
that is meant is written with `PYTHONPATH=tests/support python tests/workspace/test_commands.py`.
"""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from workspace import ROOT, click_commands, console_commands

FROZEN = Path(__file__).with_name("commands.frozen.txt")
COMMANDS = click_commands()
#: Those that do something: a group only has others.
WORKING = {name: command for name, command in COMMANDS.items() if not isinstance(command, click.Group)}
#: Longer helps are read with headings only.
MANY = 8


def render_surface() -> str:
    """A line for each argument and option: its command and all its names."""
    return "".join(
        f"{name}  {' '.join((*parameter.opts, *parameter.secondary_opts))}\n"
        for name, command in COMMANDS.items()
        for parameter in command.get_params(click.Context(command, help_option_names=["-h", "--help"]))
    )


def shown_help(name: str) -> str:
    first, *rest = name.split()
    result = CliRunner().invoke(COMMANDS[first], [*rest, "--help"], prog_name=first, terminal_width=100)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_surface_is_the_frozen_one() -> None:
    assert render_surface() == FROZEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_in_an_example_that_can_be_run(name: str) -> None:
    _, _, examples = shown_help(name).partition("\n  Example")
    lines = examples.strip().splitlines()[1:]
    assert lines, "no example at the end of the help"
    assert lines[-1].strip().startswith(name.split()[0])
    for line in lines:
        words = shlex.split(line)
        called = next(words[: len(each.split())] for each in WORKING if words[: len(each.split())] == each.split())
        command = WORKING[" ".join(called)]
        command.make_context(called[-1], words[len(called) :])  # raises on an option that is not there


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_every_option_is_and_long_helps_have_headings(name: str) -> None:
    command = COMMANDS[name]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []
    headings = re.findall(r"(?m)^(\S.*):$", shown_help(name))
    if len(options) < MANY:
        assert "Options" in headings or headings[-1] == "General"
    else:
        assert headings[-1] == "General"
        assert len(headings) > 2


@pytest.mark.parametrize("name", console_commands())
def test_every_command_tells_the_version_of_its_package(name: str) -> None:
    package = console_commands()[name].module.partition(".")[0].replace("_", "-")
    result = CliRunner().invoke(COMMANDS[name], ["--version"], prog_name=name)
    assert (result.exit_code, result.stdout) == (0, f"{name} {version(package)}\n")


@pytest.mark.parametrize("name", console_commands())
def test_every_command_stands_in_the_readme(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_output_option_has_the_same_short_form() -> None:
    found = {
        name: parameter.opts
        for name, command in COMMANDS.items()
        for parameter in command.params
        if {"--output", "--output-dir"} & set(parameter.opts)
    }
    assert len(found) == 14
    assert {opts[0] for opts in found.values()} == {"-o"}
    assert not [
        name for name, command in COMMANDS.items() for p in command.params if "-o" in p.opts and name not in found
    ]


if __name__ == "__main__":
    FROZEN.write_text(render_surface(), encoding="utf-8")
