"""Commands in processes of their own, to be killed or to run beside each other, and what they leave in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec
import onnx
import storyteller_exporter.entry_points
import storyteller_trainer.entry_points
from fuzzing import CODES
from samples import (
    export_character,
    export_events,
    train_character,
    train_events,
    write_character_data,
    write_event_data,
)
from storyteller_trainer.runs.tensor_file import read_tensors

#: Seconds that a command may take.
LIMIT = 300
#: The arguments of trainings of which two come to the same weights.
SAME_AGAIN = ("--device", "cpu", "--threads", "1")


class Anything(msgspec.Struct):
    """The metadata of a checkpoint of any kind, of which nothing is read."""


@dataclass(frozen=True)
class Call:
    """A command and its arguments, relative to the folder in which it is started."""

    command: str
    arguments: Sequence[str]

    def entry(self) -> Callable[[], None]:
        name = self.command.replace("-", "_")
        home = storyteller_trainer if hasattr(storyteller_trainer.entry_points, name) else storyteller_exporter
        found: Callable[[], None] = getattr(home.entry_points, name)
        return found


class Running:
    """A command in a fork of this process, which has imported PyTorch already: starting it takes no seconds."""

    def __init__(self, call: Call, folder: Path, temporary: Path) -> None:
        """
        Args:
            temporary: what is the system's folder for temporary files to it.
        """
        descriptor, name = tempfile.mkstemp(prefix="told-", dir=folder.parent)
        self._told, self._call = Path(name), call
        self._process = os.fork()
        if self._process == 0:
            _become(call, folder, temporary, descriptor)
        os.close(descriptor)

    def kill(self) -> None:
        """As nothing can catch."""
        os.kill(self._process, signal.SIGKILL)

    def wait(self) -> tuple[int, str]:
        """Exit code, or minus the signal, and what was printed; one that takes longer than the limit is killed."""
        until, late = time.monotonic() + LIMIT, ""
        while not (ended := os.waitpid(self._process, os.WNOHANG))[0]:
            if time.monotonic() > until:
                self.kill()
                until, late = until + LIMIT, f"\nended by the fuzzer after {LIMIT} s"
            time.sleep(0.005)
        told = self._told.read_text(encoding="utf-8", errors="replace")
        self._told.unlink()
        return os.waitstatus_to_exitcode(ended[1]), told + late


def _become(call: Call, folder: Path, temporary: Path, output: int) -> NoReturn:
    """Is the command, in the new process, up to its end."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        os.chdir(folder)
        sys.argv = [call.command, *call.arguments]
        call.entry()()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


class Workshop:
    """A folder with what the commands need: data and two runs of each kind, and the exports of the first."""

    def __init__(self, place: Path) -> None:
        self.prepared, self.folder, self.temporary = (place / name for name in ("prepared", "tried", "temporary"))
        self.prepared.mkdir()
        write_character_data(self.prepared)
        write_event_data(self.prepared)
        train_character(self.prepared, epochs=2).rename(self.prepared / "character-2")
        train_events(self.prepared, epochs=2).rename(self.prepared / "events-2")
        train_character(self.prepared)
        train_events(self.prepared)
        # This also imports what an export needs.
        export_character(self.prepared)
        export_events(self.prepared)
        shutil.rmtree(self.prepared / "models/event_classifier/failed-export", ignore_errors=True)

    def clear(self) -> None:
        """Begins anew."""
        for folder in (self.folder, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        self.temporary.mkdir()
        shutil.copytree(self.prepared, self.folder)

    def start(self, call: Call) -> Running:
        return Running(call, self.folder, self.temporary)


def ill_said(call: Call, code: int, told: str) -> list[str]:
    """What is wrong with how a command ended: a traceback, a strange code, no reason or several."""
    if "Traceback" in told or code not in CODES:
        return [f"{call.command} ended with {code}"]
    if code and sum(line.startswith("Error: ") for line in told.splitlines()) != 1:
        return [f"{call.command} ended with {code}, and not with one reason"]
    return []


# --- what lies in a folder ---


def torn(folder: Path) -> list[str]:
    """Files that are not whole, under names that are not temporary."""
    found = []
    for path in _files(folder):
        try:
            _read(path)
        except Exception as error:  # whatever a library says of a torn file
            found.append(f"{path.relative_to(folder)} is not whole: {str(error)[:200]}")
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _read(path: Path) -> None:
    if path.suffix == ".onnx":
        onnx.checker.check_model(str(path))
    elif path.suffix == ".safetensors" and path.name in ("best.safetensors", "last.safetensors"):
        read_tensors(path, Anything)
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    elif path.suffix == ".jsonl":
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                raise ValueError("its last line has no end")
            json.loads(line)


def mixed(folder: Path) -> list[str]:
    """Reports and manifests that speak of another file than the one that lies beside them."""
    wrong = []
    for path in _files(folder):
        for name, digest in _digests(path).items():
            file = path.parent / name
            if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                wrong.append(f"{path.relative_to(folder)} is of another {name}")
    return wrong


def _digests(path: Path) -> dict[str, str]:
    """File to SHA-256, as a report or a manifest has it."""
    if path.name == "verification.json":
        return {Path(one["file"]).name: one["sha256"] for one in json.loads(path.read_bytes())["files"]}
    if path.name == "manifest.json":
        found: dict[str, str] = json.loads(path.read_bytes())["files"]
        return found
    if path.name.endswith(".manifest.json"):
        told = json.loads(path.read_bytes())
        data = path.name.removesuffix(".manifest.json") + ".jsonl"
        if "content_hash" in told:
            return {data: told["content_hash"]}
    return {}


def left(folder: Path) -> list[str]:
    """What lies under a temporary name."""
    return [f"{path.relative_to(folder)} is left" for path in sorted(folder.rglob(".*.part"))]


def results(folder: Path) -> dict[str, object]:
    """What must always come of the same work, by the name of its file."""
    found: dict[str, object] = {}
    for path in _files(folder):
        name = str(path.relative_to(folder))
        if path.name == "last.safetensors":  # it says when it was made, beside the tensors
            tensors = read_tensors(path, Anything)[0]
            found[name] = {key: value.numpy().tobytes() for key, value in tensors.items()}
        elif path.suffix in (".onnx", ".jsonl", ".safetensors"):
            found[name] = path.read_bytes()
    return found
