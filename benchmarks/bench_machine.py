"""On what a benchmark was taken: the machine, the packages, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from storyteller_trainer.runs.cpus import look_at_cpus, processor

PACKAGES = ("storyteller-trainer", "torch", "numpy", "msgspec", "onnx", "onnxruntime")


def machine() -> dict[str, Any]:
    """Processor, usable cores, memory in bytes, system, and how busy it is at this moment."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor(),
        "cores": cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "load_average": list(os.getloadavg()),
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as cores"),
    }


def fix_threads() -> None:
    """Has this process and those that it starts compute by as many threads as CPUs are free now, where not all are.

    So the sides of a comparison have the same number, whatever begins meanwhile. To be called before PyTorch is
    imported. It has no effect where the user has set OMP_NUM_THREADS.
    """
    look = look_at_cpus()
    if look.threads < look.cpus:
        os.environ.setdefault("OMP_NUM_THREADS", str(look.threads))


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide the figures."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def commit() -> str:
    """The commit that is checked out, marked when tracked files differ from it; empty outside of a repository."""
    here = Path(__file__).parent
    try:
        name = _git(here, "rev-parse", "--short=12", "HEAD")
        return f"{name} and changes" if _git(here, "status", "--porcelain", "--untracked-files=no") else name
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
