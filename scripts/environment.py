"""Makes the environment of the workspace, `.venv`, what `requirements.txt` says: `make setup`.

    uv run --no-project scripts/environment.py [--uv UV] [--python PYTHON]

Nothing is resolved: the locked files are installed hash by hash and the three packages editable, so the result is the
same on any day and from any mirror, and from a warm cache without a network. Every target of the Makefile begins with
this; when nothing is to be done it takes a tenth of a second.

An environment whose making was cut off, or that has lost a file, is made anew. Packages that the lock does not hold
are removed: tools of your own belong in another environment, or in the lock.

Standard library and uv only: this runs before there is an environment.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lock

EDITABLE = "editable.txt"
# Inside the environment: it was made to the end, and by this script. Holds the interpreter that was asked for.
COMPLETE = ".complete"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process is at work on the environment; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def lost_files(environment: Path) -> list[str]:
    """The files that installed packages list (RECORD) and that are no longer there, compiled bytecode aside."""
    lost = []
    listings: dict[str, frozenset[str]] = {}
    for packages in environment.glob("lib/python3.*/site-packages"):
        for record in packages.glob("*.dist-info/RECORD"):
            for line in record.read_text(encoding="utf-8").splitlines():
                path = line.rsplit(",", 2)[0].strip('"')
                folder, _, name = path.rpartition("/")
                if path.endswith(".pyc"):
                    continue
                if folder not in listings:
                    try:
                        listings[folder] = frozenset(entry.name for entry in os.scandir(packages / folder))
                    except OSError:
                        listings[folder] = frozenset()
                if name not in listings[folder]:
                    lost.append(path)
    return lost


def run(command: list[str], root: Path, *, quiet: bool = False) -> tuple[int, str]:
    """Runs uv in the workspace; returns its exit code and what it wrote to standard error.

    Args:
        command: The command line.
        root: The workspace.
        quiet: Whether to keep its messages back; otherwise they are passed on as they come.
    """
    lines = []
    try:
        with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
            assert process.stderr is not None
            for line in process.stderr:
                lines.append(line)
                if not quiet:
                    sys.stderr.write(line)
    except OSError as error:
        raise lock.LockError(f"cannot run uv at {command[0]}: {error.strerror}; set UV to its path") from error
    return process.returncode, "".join(lines)


def make(environment: Path, uv: str, python: str | None) -> None:
    """An empty environment in place of what was there."""
    code, _ = run(
        [uv, "venv", "--quiet", "--clear", *(["--python", python] if python else []), str(environment)],
        environment.parent,
    )
    if code:
        raise lock.LockError("no environment could be made; uv's message stands above")


def install(environment: Path, uv: str) -> None:
    """Brings the environment to exactly the locked versions and the editable packages."""
    # The lock constrains builds as well, so the tools that build the editable packages are checked by hash, too.
    # The interpreter is named, or uv would take whatever environment is active.
    command = [uv, "pip", "sync", "--python", str(environment), "--build-constraints", lock.LOCK, lock.LOCK, EDITABLE]
    # What is there or in the cache needs no network; asking for one would fail on a train.
    code, messages = run([*command, "--offline"], environment.parent, quiet=True)
    if code == 0:
        changed = [line for line in messages.splitlines() if re.match(r" [-+~] ", line)]
        if changed:
            removed = [line[3:] for line in changed if line.startswith(" - ")]
            print(
                f"packages installed from the cache of uv: {len(changed) - len(removed)}"
                + (f"; removed: {', '.join(removed)}" if removed else ""),
                file=sys.stderr,
            )
        return
    code, messages = run(command, environment.parent)
    if code:
        hint = ""
        if "exclude-newer" in messages:
            hint = (
                ". Your own configuration of uv (UV_EXCLUDE_NEWER or a uv.toml) hides releases that the lock holds: "
                "take it back for this folder, e.g. by `env -u UV_EXCLUDE_NEWER UV_NO_CONFIG=1 make setup`"
            )
        raise lock.LockError(f"the locked versions could not be installed; uv's message stands above{hint}")


def setup(root: Path, uv: str, python: str | None) -> None:
    """Brings `.venv` to what the lock says, from whatever state it is in.

    Raises:
        lock.LockError: The committed files contradict each other, or uv could not do it.
    """
    lock.check(root)
    environment = root / ".venv"
    complete = environment / COMPLETE
    with alone(root):
        if not complete.exists() or (python and complete.read_text(encoding="utf-8") != python):
            make(environment, uv, python)
        elif lost := lost_files(environment):
            more = f" and {len(lost) - 1} more files" if len(lost) > 1 else ""
            print(f"the environment has lost {lost[0]}{more}: it is made anew", file=sys.stderr)
            make(environment, uv, python)
        # Gone while work is going on, so that a cut leaves an environment that is known to be incomplete.
        complete.unlink(missing_ok=True)
        install(environment, uv)
        complete.write_text(python or "", encoding="utf-8")


def main() -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uv", default="uv", help="the uv executable (default: the one on PATH)")
    parser.add_argument("--python", help="the interpreter for a new environment (default: what uv finds)")
    arguments = parser.parse_args()
    try:
        setup(lock.ROOT, arguments.uv, arguments.python)
    except lock.LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
