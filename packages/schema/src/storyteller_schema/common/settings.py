"""What the environment decides: where the user's data is and where results go.

Values come from the process environment first, then from the nearest `.env` at or above the working directory, whose
relative paths count from its own folder.
"""

from __future__ import annotations

import io
import os
import sys
from difflib import get_close_matches
from pathlib import Path

from dotenv import load_dotenv

from storyteller_schema.common.env_file import EnvFile, EnvFileError, find_env_file, read_env_file
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.files import not_utf8
from storyteller_schema.common.hints import as_data
from storyteller_schema.common.one_line import one_line

DATA_VARIABLE = "STORYTELLER_DATA_PATH"
MODEL_VARIABLE = "STORYTELLER_MODEL_PATH"
#: Everything that is read.
VARIABLES = (DATA_VARIABLE, MODEL_VARIABLE)
#: How alike (`difflib`, from 0 to 1) a name must be to one of these to be told as a mistake: STORY_DATA_PATH and the
#: same with DATA_DIR are 0.83. Lower, and variables of the engine's own would be told, which have the prefix too.
_ALIKE = 0.8

#: Where everything lands that no variable or option sends elsewhere, relative to the working directory.
ARTIFACTS = Path("artifacts")


def load_env() -> None:
    """Reads the nearest `.env`; a variable that is already set keeps its value. Mistyped names are told on stderr.

    Raises:
        EnvFileError: the file cannot be read or parsed, or holds no path where one is expected.
        WrongValue: the working directory is gone, or its name is not UTF-8.
    """
    path = find_env_file(_working_directory())
    file = read_env_file(path) if path else None
    _tell_mistyped(file)
    if file is None:
        return
    before = set(os.environ)
    try:
        load_dotenv(stream=io.StringIO(file.text))
    except ValueError as error:  # a name or value that the system's environment cannot hold
        raise EnvFileError(f"{file.path}: {error}; mend the file") from error
    for variable in VARIABLES:
        if variable in file.lines and variable not in before:
            _make_absolute(variable, file)


def _working_directory() -> Path:
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise WrongValue("the working directory is gone; go to another one") from None
    if name := not_utf8(here):
        raise WrongValue(f"{name!r}: the name of the working directory is not UTF-8; give it another one")
    return here


def _make_absolute(variable: str, file: EnvFile) -> None:
    value = os.environ.get(variable)
    if value is None:
        raise file.refuse(variable, f"has no value; write {variable}=PATH")
    if "\n" in value or "\r" in value:
        raise file.refuse(variable, "holds a line break; look for a quote that is not closed, or a \\n within one")
    try:
        if value:
            os.environ[variable] = str(file.path.parent / Path(value).expanduser())
    except RuntimeError as error:  # ~name of nobody
        raise file.refuse(
            variable, f"begins with {value.split('/')[0]}, which is no user's home; write it out"
        ) from error


def _tell_mistyped(file: EnvFile | None) -> None:
    """Warns of each name that is likely to be meant for one that is read; once, where several processes are one run."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return
    of_file = {name: f"{file.path}: line {line}" for name, line in file.lines.items()} if file else {}
    places = dict.fromkeys(sorted(os.environ), "the environment") | of_file
    for name, place in places.items():
        meant = get_close_matches(name.upper(), VARIABLES, n=1, cutoff=_ALIKE)
        if meant and name not in VARIABLES:
            warning = f"{place}: {name} is not a name that is read; did you mean {meant[0]}?"
            sys.stderr.write(f"Warning: {one_line(warning)}\n")


def _folder(variable: str, expected: str) -> Path | None:
    value = os.environ.get(variable, "")
    if not value:
        return None
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # ~name of nobody
        path = Path(value)
    if name := not_utf8(path):
        raise WrongValue(f"{variable}: {name!r} is not UTF-8; give the folder another name")
    if not path.is_dir():
        found = "is not a folder" if path.exists() else "does not exist"
        raise WrongValue(
            f"{variable}={value} {found}; expected {expected}. "
            f"Create it, correct the variable (environment or .env), or unset it"
        )
    return path


def data_path() -> Path | None:
    """The engine's data folder, or None when STORYTELLER_DATA_PATH is not set.

    Raises:
        WrongValue: the variable names something that is not a folder.
    """
    return _folder(DATA_VARIABLE, "the engine's data folder, which holds training-data/")


def model_path() -> Path:
    """The folder from which the engine loads its models: STORYTELLER_MODEL_PATH, else `artifacts/models`.

    Raises:
        WrongValue: the variable names something that is not a folder.
    """
    return _folder(MODEL_VARIABLE, "the folder from which the engine loads its ONNX files") or ARTIFACTS / "models"


def training_file(name: str) -> Path | None:
    """A file of the user's `training-data/` folder, or None when STORYTELLER_DATA_PATH is not set.

    Raises:
        WrongValue: the variable is set and the file is not there.
    """
    root = data_path()
    if root is None:
        return None
    path = root / "training-data" / name
    if not path.exists():
        raise WrongValue(
            f"{DATA_VARIABLE}={root} has no training-data/{name}; expected the engine's training data there. "
            f"Put the file there, name another {as_data()}, or unset the variable to use the sample data"
        )
    return path
