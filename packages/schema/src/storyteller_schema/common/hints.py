"""What to type next, so that it can be pasted: a target for whoever uses make, a command for everybody else."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

#: Set by the Makefile, to the word by which it was called.
MAKE_VARIABLE = "STORYTELLER_MAKE"
#: Command to the target that wraps it.
TARGETS = {
    "generate-training-data": "data",
    "train-character-model": "train",
    "export-character-model": "export",
    "verify-onnx": "verify",
    "storyteller-schema": "schema-check",
    "generate-event-data": "event-data",
    "import-annotations": "import-annotations",
    "train-event-classifier": "train-events",
    "export-event-classifier": "export-events",
    "annotate-text": "annotate-text",
    "evaluate-classifier": "evaluate",
    "evaluate-character-model": "evaluate-character",
    "write-report": "report",
    "list-runs": "runs",
    "compare-models": "compare",
    "promote-model": "promote",
}


def hint(
    command: str,
    *options: str | Path,
    data: Sequence[Path] = (),
    processes: int = 1,
    target: str | None = None,
) -> str:
    """A line for the user's shell.

    Args:
        options: of the command; of a target they become ARGS.
        data: what the command reads, given to a target as DATA.
        processes: given to a target as NPROC.
        target: where it is not the usual one of the command.
    """
    words = list(map(str, options))
    make = os.environ.get(MAKE_VARIABLE)
    if not make:
        words += ["--processes", str(processes)] if processes > 1 else []
        return shlex.join([_program(command), *map(str, data), *words])
    # DATA is one word to make; several files go where the command finds them, too.
    if len(data) > 1:
        words = [*map(str, data), *words]
    variables = {
        "DATA": str(data[0]) if len(data) == 1 else "",
        "NPROC": str(processes) if processes > 1 else "",
        "ARGS": shlex.join(words),
    }
    given = [f"{name}={shlex.quote(value.replace('$', '$$'))}" for name, value in variables.items() if value]
    return " ".join([make, target or TARGETS[command], *given])


def as_data() -> str:
    """How the user names data: to a target by a variable, to a command as its argument."""
    return "with DATA=..." if os.environ.get(MAKE_VARIABLE) else "as DATA"


def _program(command: str) -> str:
    """The command as a shell finds it: by its name, or else where this environment keeps it."""
    if shutil.which(command):
        return command
    beside = Path(sys.executable).with_name(command)
    if not beside.is_file():
        return command
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)
