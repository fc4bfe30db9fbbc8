"""The crates of a repository: which Rust files there are, which crate each belongs to, and what its Cargo.toml says."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.drift.rust_attributes import Build
from storyteller_schema.drift.rust_syntax import MAX_FILE_BYTES, Unjudged

#: Folders that hold no part of the engine itself: build output, and code that only exercises it.
SKIPPED_FOLDERS = frozenset({"target", "tests", "benches", "examples", "node_modules"})
#: Our own drop-in, in the engine or here: its lists are this workspace's, not the engine's.
SKIPPED_FILES = frozenset({"export_feature_schema.rs", "build.rs"})
MANIFEST = "Cargo.toml"
#: What is not a regular file, by what its mode says.
_SPECIAL = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(eq=False)
class Crate:
    """A folder that is compiled as one, with a Cargo.toml or without."""

    #: From the repository's root.
    folder: Path
    name: str
    #: The name in paths: `storyteller_ml`.
    library: str
    #: Where the modules' files begin.
    source: Path
    files: list[Path] = field(default_factory=list)
    #: The roots of its module trees, the library first; none where there is no lib.rs or main.rs.
    roots: list[Path] = field(default_factory=list)
    build: Build = field(default_factory=Build)
    #: What its code calls other crates, where that is not their own name.
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass
class RustFiles:
    """What lies in a repository."""

    paths: list[Path] = field(default_factory=list)
    #: Named like Rust and not read: what and why.
    skipped: list[str] = field(default_factory=list)


def find_files(root: Path) -> RustFiles:
    """Every `.rs` file and Cargo.toml below a folder, from there, in order of the path.

    Raises:
        StorytellerError: `root` is not a folder.
    """
    if not root.is_dir():
        raise StorytellerError(f"{root}: not a folder; expected the root of a Rust repository")
    found = RustFiles()
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in SKIPPED_FOLDERS and not name.startswith("."))
        # A folder that is named like a file is entered, and is no file.
        for name in sorted(files):
            if name.startswith(".") or name in SKIPPED_FILES or not (name.endswith(".rs") or name == MANIFEST):
                continue
            path = Path(folder, name)
            kind = _special(path)
            if kind:
                found.skipped.append(f"{path.relative_to(root)}: {kind}, not read")
            else:
                found.paths.append(path.relative_to(root))
    found.paths.sort()
    return found


def _special(path: Path) -> str:
    """What a path is that is no regular file; empty for one that is."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    return "" if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "no regular file")


def read_bytes(root: Path, path: Path) -> bytes:
    """A file of the repository.

    Raises:
        Unjudged: it is too large.
        StorytellerError: it cannot be read.
    """
    try:
        with (root / path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StorytellerError(f"{root / path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise Unjudged(f"{path}:1: larger than {MAX_FILE_BYTES} bytes, which is as much as is read")
    return content


def find_crates(root: Path, paths: list[Path]) -> list[Crate]:
    """The crates to which these files belong.

    Raises:
        Unjudged: a Cargo.toml is none.
        StorytellerError: a Cargo.toml cannot be read.
    """
    manifests = {path.parent: _manifest(root, path) for path in paths if path.name == MANIFEST}
    packages = {folder: manifest for folder, manifest in manifests.items() if isinstance(manifest.get("package"), dict)}
    sources = [path for path in paths if path.name != MANIFEST]
    loose = {path.parent for path in sources}
    crates: dict[Path, Crate] = {}
    for path in sources:
        folder = _folder_of(path, packages, loose)
        if folder not in crates:
            crates[folder] = _crate(root, folder, packages.get(folder, {}), sources)
        crates[folder].files.append(path)
    for crate in crates.values():
        crate.build = Build(crate.build.features, frozenset(_asked_for(crate, manifests)) - crate.build.features)
    return list(crates.values())


def _folder_of(path: Path, packages: Mapping[Path, Any], loose: set[Path]) -> Path:
    """The folder of a file's crate: that of the nearest Cargo.toml, else the one with `src`, else the topmost."""
    for parent in path.parents:
        if parent in packages:
            return parent
    for parent in path.parents:
        if parent.name == "src":
            return parent.parent
    return [parent for parent in path.parents if parent in loose][-1]


def _crate(root: Path, folder: Path, manifest: Mapping[str, Any], sources: list[Path]) -> Crate:
    package, library = _table(manifest, "package"), _table(manifest, "lib")
    name = str(package.get("name") or folder.name or root.resolve().name)
    source = folder / "src"
    if not any(path.is_relative_to(source) for path in sources):
        source = folder
    bins = manifest.get("bin")
    named = [table.get("path") for table in bins if isinstance(table, dict)] if isinstance(bins, list) else []
    candidates = [folder / str(library["path"])] if "path" in library else []
    candidates += [source / "lib.rs", source / "main.rs", *(folder / str(path) for path in named if path)]
    candidates += [
        p for p in sources if p.parent == source / "bin" or (p.parent.parent, p.name) == (source / "bin", "main.rs")
    ]
    renamed = {
        alias.replace("-", "_"): str(value["package"]).replace("-", "_")
        for alias, value in _dependencies(manifest)
        if isinstance(value, dict) and "package" in value
    }
    return Crate(
        folder,
        name,
        str(library.get("name") or name).replace("-", "_"),
        source,
        roots=[path for path in dict.fromkeys(candidates) if path in sources],
        build=Build(_default_features(manifest)),
        renamed=renamed,
    )


def _table(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = manifest.get(name)
    return value if isinstance(value, dict) else {}


def _manifest(root: Path, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(root, path).decode())
    except UnicodeDecodeError as error:
        raise Unjudged(f"{path}: not UTF-8 at byte {error.start}, so cargo refuses it") from error
    except (ValueError, RecursionError) as error:
        raise Unjudged(f"{path}: no TOML that can be read: {str(error)[:200]}") from error


def _default_features(manifest: Mapping[str, Any]) -> frozenset[str]:
    """What `default` switches on, directly or by way of other features."""
    declared = _table(manifest, "features")
    on: set[str] = set()
    todo = ["default"]
    while todo:
        feature = todo.pop()
        if feature not in on:
            on.add(feature)
            implied = declared.get(feature)
            todo += [str(name) for name in implied] if isinstance(implied, list) else []
    return frozenset(on - {"default"} if "default" not in declared else on)


def _dependencies(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for table in ("dependencies", "build-dependencies"):
        yield from _table(manifest, table).items()
    yield from _table(_table(manifest, "workspace"), "dependencies").items()


def _asked_for(crate: Crate, manifests: Mapping[Path, Mapping[str, Any]]) -> Iterator[str]:
    """The features that other crates of the repository switch on in this one."""
    for manifest in manifests.values():
        for alias, value in _dependencies(manifest):
            if isinstance(value, dict) and str(value.get("package") or alias) == crate.name:
                features = value.get("features")
                yield from (str(name) for name in features) if isinstance(features, list) else ()
