"""Builds and runs our Rust programs, by default the stand-in for the engine (rust/engine); for tests and benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime

_RUST = Path(__file__).resolve().parents[1] / "rust"
CRATE = _RUST / "engine"
#: The character network in burn.
BURN_CRATE = _RUST / "burn-character"


class EngineError(Exception):
    """cargo, or the program it built, failed; says what was printed."""


def build(
    crate: Path = CRATE, *options: str, target: Path | None = None, variables: Mapping[str, str] | None = None
) -> Path:
    """Builds a crate's programs, if anything changed, and returns their folder.

    Args:
        options: of cargo.
        target: where to build; None for the crate's own folder.
        variables: of the environment, for the crate's build script.

    Raises:
        EngineError: cargo is missing or the build failed.
    """
    target = target or crate / "target"
    _run(
        ["cargo", "build", "--release", "--quiet", "--target-dir", str(target), *options],
        cwd=crate,
        variables=variables,
    )
    return target / "release"


def runtime_library() -> Path:
    """The ONNX Runtime library inside the Python wheel, which has no name without a version.

    Raises:
        EngineError: the wheel holds none, or several.
    """
    folder = Path(onnxruntime.__file__).resolve().parent / "capi"
    found = [
        *folder.glob("libonnxruntime.so.*"),
        *folder.glob("libonnxruntime.*.dylib"),
        *folder.glob("onnxruntime.dll"),
    ]
    if len(found) != 1:
        raise EngineError(f"{folder}: expected one ONNX Runtime library, found {[path.name for path in found]}")
    return found[0]


def run_engine(
    programs: Path, *arguments: str | Path, lines: Iterable[str | bytes] = (), cwd: Path | None = None
) -> list[Any]:
    """`run_program` of the program `engine`."""
    return run_program(programs / "engine", *arguments, lines=lines, cwd=cwd)


def run_program(
    program: Path, *arguments: str | Path, lines: Iterable[str | bytes] = (), cwd: Path | None = None
) -> list[Any]:
    """Runs a program with JSON lines on stdin and returns the JSON lines of its stdout, parsed.

    Raises:
        EngineError: it failed; its stderr is the message.
    """
    given = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    output = _run([str(program), *map(str, arguments)], given=given, cwd=cwd)
    return [json.loads(line) for line in output.splitlines()]


def exported_schema(programs: Path) -> str:
    """What `export_feature_schema` prints."""
    return _run([str(programs / "export_feature_schema")]).decode()


def _run(
    command: list[str], given: bytes = b"", cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> bytes:
    environment = os.environ | {"ORT_DYLIB_PATH": str(runtime_library())} | dict(variables or {})
    try:
        done = subprocess.run(command, input=given, capture_output=True, cwd=cwd, env=environment, check=False)
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise EngineError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout
