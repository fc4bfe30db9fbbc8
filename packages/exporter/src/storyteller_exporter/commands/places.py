"""Where the workspace's own models lie."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from storyteller_schema.common.console import err
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.options import OUTPUT_FILE, OUTPUT_FOLDER, option
from storyteller_schema.common.settings import model_path

#: The folder, inside that of the models, of those with eight-bit weights. They have the engine's names there, so that
#: the engine takes them when STORYTELLER_MODEL_PATH names it, and never by chance.
INT8 = "int8"


def models_folder(named: Path | None, *, int8: bool = False) -> Path:
    """The folder of the models: the one that is named, else STORYTELLER_MODEL_PATH, else `artifacts/models`.

    Raises:
        StorytellerError: the variable names something that is not a folder.
    """
    folder = named or model_path()
    return folder / INT8 if int8 else folder


def is_own(path: Path, models: Path) -> bool:
    """Whether a file or folder lies in the folder of the models, so that a report may be written beside it."""
    return path.resolve().is_relative_to(models.resolve())


#: `--models`, for a command that reads or writes models under their usual names; takes the `section` of the help.
models_option = partial(
    option,
    "--models",
    type=OUTPUT_FOLDER,
    help="The folder of the models [default: STORYTELLER_MODEL_PATH, else artifacts/models].",
)
unjudged_option = partial(
    option,
    "--allow-unjudged",
    is_flag=True,
    help="Accept a file that nothing failed and nothing judged: no checkpoint, or int8 and no data.",
)


def refuse_both(named: Path | None, name: str, **others: object) -> None:
    """Wrong use, where a place is named and options that find the usual one are given as well.

    Raises:
        click.UsageError: with the names of both.
    """
    given = [f"--{option}" for option, value in others.items() if value]
    if named is not None and given:
        raise click.UsageError(f"{name} {named} says where already; leave it out, or {' and '.join(given)}")


#: The name of an evaluation beside the files that it is about.
EVALUATION = "evaluation.json"
evaluation_output_option = partial(
    option,
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help=f"Where what is printed is kept as JSON [default: {EVALUATION} beside the models, if they lie in the usual "
    "folder].",
)


def evaluation_output(named: Path | None, model: Path, models: Path) -> Path | None:
    """Where an evaluation is kept: where the user says, else beside a model in the usual folder, else nowhere."""
    if named is not None or not is_own(model, models):
        return named
    return (model if model.is_dir() else model.parent) / EVALUATION


def write_evaluation(report: object, target: Path | None) -> None:
    """Keeps an evaluation as JSON, and says where, or what would keep it.

    Raises:
        StorytellerError: it cannot be written.
    """
    if target is None:
        err.print("the evaluation is not kept: --output FILE keeps it")
        return
    import json

    import msgspec

    write_atomic(target, json.dumps(msgspec.to_builtins(report), indent=2, ensure_ascii=False) + "\n")
    err.print(f"evaluation: {target}")


markdown_option = partial(
    option,
    "--markdown",
    type=OUTPUT_FILE,
    help="Also write a summary in Markdown, for a review or a CI job.",
)
