"""Console commands in processes that have imported next to nothing, without an interpreter's start for each.

One process is started, which imports what every command imports first and then waits; each call is a copy of it
(`fork`), so that a call sees nothing of another, and a heavy module is in it only if the command imported it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workspace import BIN

SERVER = """
import json, os, runpy, sys, traceback
import click, msgspec, rich.console, storyteller_schema.common.console

def call(about):
    os.chdir(about["folder"])
    os.environ.clear()
    os.environ.update(about["environment"])
    for number, name in ((0, os.devnull), (1, about["stdout"]), (2, about["stderr"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = about["words"]
    code = 1
    try:
        exec(about["before"], {})
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    with open(about["modules"], "w") as file:
        json.dump(sorted(sys.modules), file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        call(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Called:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str
    #: All modules that were imported.
    modules: frozenset[str]


class LightProcess:
    """Use as a context manager."""

    def __enter__(self) -> LightProcess:
        self._folder = tempfile.TemporaryDirectory()
        words = [sys.executable, "-c", SERVER]
        self._server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *about: object) -> None:
        self._server.communicate()
        self._folder.cleanup()

    def call(self, command: str, *arguments: str, before: str = "") -> Called:
        """Runs a console command in the working directory and the environment of the test.

        Args:
            before: Python that is run first.
        """
        notes = {name: Path(self._folder.name, name) for name in ("stdout", "stderr", "modules")}
        about: dict[str, str | Sequence[str] | dict[str, str]] = {name: str(path) for name, path in notes.items()}
        about |= {"folder": str(Path.cwd()), "environment": dict(os.environ), "before": before}
        about["words"] = [str(BIN / command), *arguments]
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(about) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        modules = frozenset(json.loads(notes["modules"].read_text()))
        return Called(code, notes["stdout"].read_text(), notes["stderr"].read_text(), modules)
