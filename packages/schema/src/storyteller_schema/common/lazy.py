"""The public names of a package, each imported from its module when it is first asked for (PEP 562).

So `import storyteller_trainer` stays light, and `from storyteller_trainer import load_checkpoint` imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def public(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a package's `__init__`.

    Args:
        package: its name; the distribution's is the same with hyphens, and has the version.
        homes: public name to the module that defines it, with `:name` where its name there is another.
    """

    def getattribute(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # takes as long to import as all else here

            return version(package.replace("_", "-"))
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, there = homes[name].partition(":")
        return getattr(import_module(f"{package}.{module}"), there or name)

    return getattribute, lambda: sorted([*homes, "__version__"])
