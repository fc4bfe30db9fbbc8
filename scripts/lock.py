"""Keeps `requirements.lock` and the resolution the same.

    python scripts/lock.py check --uv uv    # resolve afresh, fail when a version or a hash differs from the lock
    python scripts/lock.py write --uv uv    # move the day of the resolution to today, resolve, rewrite the lock

Run by `make setup` and `make lock`, before there is a virtual environment: standard library only.

`uv.lock` records the addresses of whichever package index the machine uses, so it stays out of git. What is committed
is the export without addresses; versions and hashes are compared, not text, so another uv may format it otherwise.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Every version of the workspace with its hashes, for all platforms. Written by `make lock`; `make setup` checks it.
"""
EXPORT = [
    *("export", "--quiet", "--frozen", "--all-packages", "--all-extras", "--all-groups"),
    *("--no-emit-workspace", "--no-header", "--no-annotate", "--format", "requirements-txt"),
]


class LockError(Exception):
    """The resolution and the committed lock cannot be brought together."""


def pins(text: str) -> dict[str, frozenset[str]]:
    """Each `name==version` of a requirements file, with its hashes."""
    logical = re.sub(r"\\\n", " ", text)
    found: dict[str, frozenset[str]] = {}
    for line in logical.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+==[^\s;\\]+)", line)
        if match:
            hashes = frozenset(re.findall(r"--hash=(\S+)", line))
            found[match[1]] = found.get(match[1], frozenset()) | hashes
    return found


def differences(committed: dict[str, frozenset[str]], fresh: dict[str, frozenset[str]]) -> list[str]:
    """One line for every pin or hash that is on one side only."""
    lines = [f"only in requirements.lock: {pin}" for pin in sorted(committed.keys() - fresh.keys())]
    lines += [f"only in the fresh resolution: {pin}" for pin in sorted(fresh.keys() - committed.keys())]
    for pin in sorted(committed.keys() & fresh.keys()):
        if committed[pin] != fresh[pin]:
            missing, added = len(committed[pin] - fresh[pin]), len(fresh[pin] - committed[pin])
            lines.append(
                f"other hashes: {pin} ({missing} only in requirements.lock, {added} only in the fresh resolution)"
            )
    return lines


def uv(executable: str, *arguments: str) -> str:
    """Runs uv in the workspace and returns its standard output."""
    try:
        done = subprocess.run([executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise LockError(f"cannot run uv at {executable}: {error.strerror}; set UV to its path") from error
    if done.returncode:
        raise LockError(f"`uv {arguments[0]}` failed; its message stands above")
    return done.stdout


def resolve(executable: str) -> str:
    """Resolves from nothing, as of the day in pyproject.toml, and returns the export."""
    # --upgrade: an older uv.lock must not pull the resolution towards the versions it knew.
    uv(executable, "lock", "--quiet", "--upgrade")
    return uv(executable, *EXPORT)


def check(executable: str) -> None:
    """Fails when a fresh resolution differs from requirements.lock in a version or a hash."""
    found = differences(pins(LOCK.read_text(encoding="utf-8")), pins(resolve(executable)))
    if found:
        listed = "\n  ".join(found)
        raise LockError(
            f"requirements.lock does not match what uv resolves:\n  {listed}\n"
            "After a change of dependencies run `make lock` and commit the file; "
            "otherwise the package index serves something else than it did"
        )


def write(executable: str) -> None:
    """Moves `exclude-newer` to today (UTC) and rewrites requirements.lock."""
    project = ROOT / "pyproject.toml"
    today = datetime.datetime.now(datetime.UTC).date()
    text, count = re.subn(
        r'(?m)^exclude-newer = "[^"]*"', f'exclude-newer = "{today}T00:00:00Z"', project.read_text(encoding="utf-8")
    )
    if count != 1:
        raise LockError(f"{project.name} has {count} lines `exclude-newer = ...`; expected one")
    project.write_text(text, encoding="utf-8")
    LOCK.write_text(HEADER + resolve(executable), encoding="utf-8")


def main() -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["check", "write"])
    parser.add_argument("--uv", default="uv", help="the uv executable")
    arguments = parser.parse_args()
    try:
        check(arguments.uv) if arguments.action == "check" else write(arguments.uv)
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
