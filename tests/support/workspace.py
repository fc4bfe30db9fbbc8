"""Where the workspace lies, and what it declares, for tests about the workspace itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schema", "trainer", "exporter")


def console_commands() -> dict[str, str]:
    """Every console command of the packages, with the function behind it (`module:function`)."""
    commands: dict[str, str] = {}
    for package in PACKAGES:
        declared = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text(encoding="utf-8"))
        commands.update(declared["project"]["scripts"])
    return commands
