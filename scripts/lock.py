"""Keeps `requirements.txt`, the locked versions of the workspace, true.

    python scripts/lock.py check     # offline: lock, manifests and pins agree, every line has a hash (`make setup`)
    python scripts/lock.py write     # resolve after a change of dependencies; what still fits stays (`make lock`)
    python scripts/lock.py write --upgrade    # move everything to the newest versions
    python scripts/lock.py compare   # what the newest versions are, by a fresh resolution (`make lock-check`)

`requirements.txt` holds every version with its hashes, for all platforms, and no addresses; `make setup` installs it
as it is. The same versions stand as constraints in `pyproject.toml`, between two marks, so that `uv sync`, `uv run`
and `uv add` keep to them. `write` makes both.

Standard library and uv only: this runs before there is an environment.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements.txt"
PROJECT = "pyproject.toml"
HEADER = """\
# Every version of the workspace with its hashes, for all platforms: `make lock` writes it, `make setup` installs it.
"""
BEGIN, END = "# locked versions: begin", "# locked versions: end"
# A release is taken when it has been out for so long: time enough for a broken or hijacked one to be noticed.
COOLDOWN_DAYS = 7


class LockError(Exception):
    """The lock and what it is held against do not agree, or uv could not resolve."""


def normalize(name: str) -> str:
    """A project name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(text: str) -> list[tuple[str, frozenset[str]]]:
    """Each requirement of a requirements file, marker included, with its hashes, in order."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = re.split(r"\s--hash", line)[0].strip()
            found.append((requirement, frozenset(re.findall(r"--hash=(\S+)", line))))
    return found


def versions(text: str) -> dict[str, str]:
    """The locked requirement of each project: `{"numpy": "numpy==2.4.6"}`; several, joined, where platforms differ."""
    found: dict[str, str] = {}
    for requirement, _ in entries(text):
        name = normalize(re.split(r"[=\s;]", requirement)[0])
        found[name] = f"{found[name]}, {requirement}" if name in found else requirement
    return found


def constraint_block(text: str) -> str:
    """The part of pyproject.toml that makes uv's own commands keep to the lock."""
    # TOML in single quotes: markers hold double ones once uv has written them.
    pins = [requirement.replace("'", '"') for requirement, _ in entries(text)]
    build = [pin for pin in pins if pin.startswith(("hatchling==", "editables=="))]
    return "\n".join(
        [
            f"{BEGIN} (written by `make lock`)",
            "constraint-dependencies = [",
            *(f"    '{pin}'," for pin in pins),
            "]",
            "build-constraint-dependencies = [",
            *(f"    '{pin}'," for pin in build),
            "]",
            END,
        ]
    )


def split_project(text: str) -> tuple[str, str, str]:
    """pyproject.toml before, inside and after the marked block."""
    match = re.search(rf"(?ms)^{BEGIN}.*?^{END}$", text)
    if match is None:
        raise LockError(f"{PROJECT} has no block between `{BEGIN}` and `{END}`: restore it from git")
    return text[: match.start()], match[0], text[match.end() :]


def declared(root: Path) -> dict[str, str]:
    """Every project that a manifest of the workspace asks for, with the manifest that does."""
    found: dict[str, str] = {}
    for manifest in manifests(root):
        data = tomllib.loads((root / manifest).read_text(encoding="utf-8"))
        project = data["project"]
        asked = [*project.get("dependencies", []), *data.get("build-system", {}).get("requires", [])]
        for group in [*project.get("optional-dependencies", {}).values(), *data.get("dependency-groups", {}).values()]:
            asked += [requirement for requirement in group if isinstance(requirement, str)]
        for requirement in asked:
            found.setdefault(normalize(re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0]), str(manifest))
    return found


def members(root: Path) -> set[str]:
    """The names of the workspace's own packages."""
    return {
        normalize(tomllib.loads((root / manifest).read_text(encoding="utf-8"))["project"]["name"])
        for manifest in manifests(root)
    }


def manifests(root: Path) -> list[Path]:
    """The pyproject.toml files of the workspace, relative to its root."""
    return [Path(PROJECT), *sorted(path.relative_to(root) for path in root.glob(f"packages/*/{PROJECT}"))]


def faults(root: Path) -> list[str]:
    """What does not agree between requirements.txt and the manifests; needs no network."""
    text = (root / LOCK).read_text(encoding="utf-8")
    found = [f"{LOCK}: {requirement} has no hash" for requirement, hashes in entries(text) if not hashes]
    found += [
        f"{LOCK}: {requirement} fixes no version"
        for requirement, _ in entries(text)
        if not re.match(r"[A-Za-z0-9._-]+==[^\s*]+(\s*;.*)?$", requirement)
    ]
    if split_project((root / PROJECT).read_text(encoding="utf-8"))[1] != constraint_block(text):
        found.append(f"{PROJECT}: the block `{BEGIN}` does not hold the versions of {LOCK}")
    locked = versions(text).keys() | members(root)
    found += [f"{manifest}: {name} is not in {LOCK}" for name, manifest in declared(root).items() if name not in locked]
    return found


def check(root: Path) -> None:
    """Raises LockError when the committed files contradict each other."""
    found = faults(root)
    if found:
        listed = "\n  ".join(found)
        raise LockError(
            f"the locked versions do not agree with the manifests:\n  {listed}\n"
            "After a change of dependencies run `make lock` and commit the files that it writes"
        )


def resolve(root: Path, executable: str, *, upgrade: bool, cooldown: int) -> str:
    """Resolves the workspace for all platforms, in a copy of its manifests, and returns the new lock.

    Args:
        root: The workspace.
        executable: uv.
        upgrade: Whether to move to the newest versions; otherwise what is locked and still fits stays.
        cooldown: Days that a release must have been out; 0 takes any, and is what an index without upload times needs.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for manifest in manifests(root):
            (copy / manifest).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / manifest, copy / manifest)
        # The old pins must not hold the resolution back.
        before, _, after = split_project((copy / PROJECT).read_text(encoding="utf-8"))
        (copy / PROJECT).write_text(before + after, encoding="utf-8")
        if not upgrade:
            shutil.copyfile(root / LOCK, copy / LOCK)
        own = [argument for name in sorted(members(root)) for argument in ("--no-emit-package", name)]
        command = [
            *(executable, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate"),
            *("--no-header", "--group", "dev", *own, "--output-file", LOCK),
            *(["--exclude-newer", f"{cooldown} days"] if cooldown else []),
            # What was looked up a moment ago is looked up again, or the second resolution would only repeat the cache.
            *("--refresh", PROJECT),
        ]
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        try:
            done = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.DEVNULL, check=False)
        except OSError as error:
            raise LockError(f"cannot run uv at {executable}: {error.strerror}; set UV to its path") from error
        if done.returncode:
            raise LockError("uv could not resolve the dependencies; its message stands above")
        return HEADER + (copy / LOCK).read_text(encoding="utf-8")


def differences(old: str, new: str) -> list[str]:
    """One line for every project whose version or hashes are not the same in two locks."""
    was, now = versions(old), versions(new)
    lines = [f"no longer needed: {was[name]}" for name in sorted(was.keys() - now.keys())]
    lines += [f"new: {now[name]}" for name in sorted(now.keys() - was.keys())]
    lines += [f"{was[name]} -> {now[name]}" for name in sorted(was.keys() & now.keys()) if was[name] != now[name]]
    old_hashes, new_hashes = dict(entries(old)), dict(entries(new))
    for requirement in sorted(old_hashes.keys() & new_hashes.keys()):
        gone = len(old_hashes[requirement] - new_hashes[requirement])
        added = len(new_hashes[requirement] - old_hashes[requirement])
        if gone or added:
            lines.append(f"other files: {requirement} ({gone} no longer served, {added} added)")
    return lines


def replace(path: Path, text: str) -> None:
    """Writes a file beside its place and renames it onto it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write(root: Path, executable: str, *, upgrade: bool, cooldown: int) -> None:
    """Resolves twice and, when both times agree, rewrites requirements.txt and the block in pyproject.toml."""
    first, second = (resolve(root, executable, upgrade=upgrade, cooldown=cooldown) for _ in range(2))
    if first != second:
        listed = "\n  ".join(differences(first, second))
        raise LockError(f"two resolutions in a row differ, nothing was written; try again later:\n  {listed}")
    changed = differences((root / LOCK).read_text(encoding="utf-8"), first)
    before, _, after = split_project((root / PROJECT).read_text(encoding="utf-8"))
    replace(root / LOCK, first)
    replace(root / PROJECT, before + constraint_block(first) + after)
    print("\n".join(changed) if changed else "no version has changed")


def compare(root: Path, executable: str, *, cooldown: int) -> bool:
    """Prints what `write --upgrade` would change; True when that is nothing."""
    changed = differences(
        (root / LOCK).read_text(encoding="utf-8"), resolve(root, executable, upgrade=True, cooldown=cooldown)
    )
    print("\n".join(changed) if changed else "the lock holds the newest versions")
    return not changed


def main() -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["check", "write", "compare"])
    parser.add_argument("--uv", default="uv", help="the uv executable (default: the one on PATH)")
    parser.add_argument("--upgrade", action="store_true", help="with `write`: move to the newest versions")
    parser.add_argument(
        "--cooldown", type=int, default=COOLDOWN_DAYS, metavar="DAYS", help="how long a release must have been out"
    )
    arguments = parser.parse_args()
    try:
        if arguments.action == "write":
            write(ROOT, arguments.uv, upgrade=arguments.upgrade, cooldown=arguments.cooldown)
        elif arguments.action == "compare":
            return 0 if compare(ROOT, arguments.uv, cooldown=arguments.cooldown) else 1
        else:
            check(ROOT)
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
