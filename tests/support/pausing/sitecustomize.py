"""Python imports this at its start in a process of `interrupting.py`: it stops the process where a test says.

PAUSE_AT is a module, before whose import the process stops, or `module:function`, at whose call it stops. There it
makes the file PAUSED, for the test to see. SET is `module:name=number`, for what is too large for a test.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any


def pause(*_: Any, **__: Any) -> None:
    Path(os.environ["PAUSED"]).touch()
    while True:
        time.sleep(0.05)  # a signal that comes just before it begins does not end it


def pause_in(place: str) -> Callable[[ModuleType], None]:
    *outer, name = place.split(".")
    return lambda module: setattr(reduce(getattr, outer, module), name, pause)


def assign(assignment: str) -> Callable[[ModuleType], None]:
    name, _, number = assignment.partition("=")
    return lambda module: setattr(module, name, int(number))


class Finder:
    """Changes a module when it has been imported, or stops before."""

    def __init__(self, module: str, change: Callable[[ModuleType], None] | None) -> None:
        self.module, self.change = module, change

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        change = self.change
        if name != self.module:
            return None
        if change is None:
            pause()
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module)

        loader.exec_module = execute_and_change
        return spec


for variable, make in {"PAUSE_AT": pause_in, "SET": assign}.items():
    if value := os.environ.get(variable):
        module, _, rest = value.partition(":")
        sys.meta_path.insert(0, Finder(module, make(rest) if rest else None))
