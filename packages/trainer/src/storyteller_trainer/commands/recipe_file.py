"""`--recipe FILE`: the values of a recipe from a TOML file, or from the `run.json` of an earlier run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from storyteller_schema.common.errors import StorytellerError, WrongValue


def read_recipe(file: Path, names: Collection[str]) -> dict[str, Any]:
    """The values of a file: of a `run.json`, those of its recipe; of a TOML file, all, or those of its table `recipe`.

    Args:
        names: that a recipe has.

    Raises:
        WrongValue: there is no such file, it cannot be read, or it names a value that no recipe has.
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:  # of both parsers, and of what is not UTF-8
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WrongValue(f"{file}: cannot be read as a recipe: {reason}", "preset") from error
    found = content.get("recipe", content if file.suffix != ".json" else None) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise WrongValue(f"{file}: holds no recipe; expected a TOML file of values, or the run.json of a run", "preset")
    unknown = sorted(found.keys() - set(names))
    if unknown:
        raise WrongValue(
            f"{file}: {unknown[0]} is no value of a recipe; there are {', '.join(sorted(names))}", "preset"
        )
    return found


def check_recipe_name(name: str, presets: Collection[str]) -> None:
    """
    Raises:
        StorytellerError: it is neither a preset nor a file.
    """
    if name not in presets and not Path(name).is_file():
        raise StorytellerError(f"{name!r} is neither {' nor '.join(presets)}, nor a file")
