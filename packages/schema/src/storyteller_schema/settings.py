"""What the environment decides: where the user's data is and where results go.

Values come from the process environment first, then from the nearest `.env` at or above the working directory.
"""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import find_dotenv, load_dotenv

from storyteller_schema.errors import StorytellerError

DATA_VARIABLE = "STORYTELLER_DATA_PATH"
MODEL_VARIABLE = "STORYTELLER_MODEL_PATH"

#: Where everything lands that no variable or option sends elsewhere, relative to the working directory.
ARTIFACTS = Path("artifacts")


def load_env() -> None:
    """Reads the nearest `.env`; a variable that is already set keeps its value."""
    load_dotenv(find_dotenv(usecwd=True))


def _folder(variable: str, expected: str) -> Path | None:
    value = os.environ.get(variable, "")
    if not value:
        return None
    path = Path(value).expanduser()
    if not path.is_dir():
        found = "is not a folder" if path.exists() else "does not exist"
        raise StorytellerError(
            f"{variable}={value} {found}; expected {expected}. "
            f"Create it, correct the variable (environment or .env), or unset it"
        )
    return path


def data_path() -> Path | None:
    """The engine's data folder, or None when STORYTELLER_DATA_PATH is not set.

    Raises:
        StorytellerError: the variable names something that is not a folder.
    """
    return _folder(DATA_VARIABLE, "the engine's data folder, which holds training-data/")


def model_path() -> Path:
    """The folder from which the engine loads its models: STORYTELLER_MODEL_PATH, else `artifacts/models`.

    Raises:
        StorytellerError: the variable names something that is not a folder.
    """
    return _folder(MODEL_VARIABLE, "the folder from which the engine loads its ONNX files") or ARTIFACTS / "models"


def training_file(name: str) -> Path | None:
    """A file of the user's `training-data/` folder, or None when STORYTELLER_DATA_PATH is not set.

    Raises:
        StorytellerError: the variable is set and the file is not there.
    """
    root = data_path()
    if root is None:
        return None
    path = root / "training-data" / name
    if not path.exists():
        raise StorytellerError(
            f"{DATA_VARIABLE}={root} has no training-data/{name}; expected the engine's training data there. "
            f"Put the file there, name another with DATA=..., or unset the variable to use the sample data"
        )
    return path
