"""Where the workspace lies, and what it declares, for tests about the workspace itself."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

import click
from storyteller_schema.common.entry import Entry

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schema", "trainer", "exporter")


#: Where the console commands are, whatever is on PATH.
BIN = Path(sys.executable).parent


def console_commands() -> dict[str, Entry]:
    """Every console command that the packages declare, by its name."""
    commands: dict[str, Entry] = {}
    for package in PACKAGES:
        declared = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))
        for name, place in declared["project"]["scripts"].items():
            module, _, attribute = place.partition(":")
            commands[name] = getattr(importlib.import_module(module), attribute)
    return commands


def click_commands() -> dict[str, click.Command]:
    """The same as click has them; commands of a group after it, by both names (`storyteller-schema check`)."""
    found: dict[str, click.Command] = {}
    for name, entry in sorted(console_commands().items()):
        found[name] = entry.command()
        for inner in getattr(found[name], "commands", {}).values():
            found[f"{name} {inner.name}"] = inner
    return found
