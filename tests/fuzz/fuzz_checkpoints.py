"""Spoils the checkpoints of small runs of both kinds, then loads them, goes on with the run or exports it.

    python tests/fuzz/fuzz_checkpoints.py --count 500 --seed 1

A spoilt file is refused with one message, or what comes of it equals what comes of the sound one. The exports are
checked up to the file that PyTorch would trace: tracing takes seconds and reads no checkpoint.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fuzzing import Case, Outcome, apart, fuzz
from samples import train_character, train_events, write_character_data, write_event_data
from storyteller_schema.common.errors import StorytellerError

#: Seconds that one attempt may take.
LIMIT = 60
#: The runs were stopped after the first of them.
EPOCHS = 2
NAMES = ("", "[/x]", "\x1b[2J", "x" * 10_000, "a\nb", "é", "__metadata__", "\ud800")
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1,
        2**63,
        10**400,
        0.5,
        1e308,
        float("nan"),
        "",
        "x",
        "[/x]",
        "\x1b[2J",
        [],
        {},
        [[]],
        {"": 1},
    ),
    *("0" * 64, "x" * 100_000, -(10**30), "event", "ner", "joint", "adamw", "1"),
)
CHECKSUM = "file_sha256"
DTYPES = ("F64", "F32", "F16", "BF16", "I8", "U8", "I32", "I64", "BOOL", "F8_E4M3", "C64", "X")

Header = dict[str, Any]


def header_of(content: bytes) -> tuple[Header, bytes]:
    """The JSON at the beginning of a safetensors file, and the bytes of the tensors."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header: Any, tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def place_in(document: Any, rng: random.Random) -> list[Any]:
    """The path of a value: from the top down, so that the tables of scores, most of the notes, are not all there is."""
    path: list[Any] = []
    while isinstance(document, dict | list) and document and (not path or rng.random() < 0.8):
        path.append(rng.choice(list(document)) if isinstance(document, dict) else rng.randrange(len(document)))
        document = document[path[-1]]
    return path


def change_value(document: Any, rng: random.Random) -> str:
    """One value of JSON changed, renamed or lost, in place."""
    path = place_in(document, rng)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    key, how = path[-1], rng.choice(("value", "value", "value", "delete", "rename", "number"))
    if how == "delete":
        del parent[key]
    elif how == "rename" and isinstance(parent, dict):
        parent[rng.choice((f"{key}_", *NAMES))] = parent.pop(key)
    elif how == "number" and isinstance(parent[key], int | float):
        parent[key] += rng.choice((1, -1, 0.5, 1e9))
    else:
        parent[key] = rng.choice(VALUES)
    return f"{how} {path}"


def change_metadata(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """The notes of a checkpoint; every third time without the checksum that would show it, as an old version wrote."""
    header, tensors = header_of(content)
    notes = header["__metadata__"]
    (key,) = notes
    document = json.loads(notes[key])
    unsigned = rng.random() < 0.35
    if unsigned:
        document.pop(CHECKSUM, None)
    step = change_value(document, rng)
    how = rng.random()
    notes[key] = json.dumps(document)
    if how < 0.1:
        notes[key] = notes[key][: rng.randrange(len(notes[key]))]
    return f"notes{', unsigned' if unsigned else ''}: {step}", joined(header, tensors)


def change_header(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Name, type, shape or place of a tensor."""
    header, tensors = header_of(content)
    name = rng.choice([name for name in header if name != "__metadata__"])
    entry = header[name]
    how = rng.choice(("dtype", "shape", "reshape", "place", "rename", "delete", "swap", "any", "size", "nesting"))
    if how == "dtype":
        entry["dtype"] = rng.choice(DTYPES)
    elif how == "shape":
        entry["shape"] = rng.choice(
            ([], [0], [-1], [2**62, 4], [2**64], entry["shape"][::-1], [*entry["shape"], 1], "x")
        )
    elif how == "reshape":
        entry["shape"] = [1, *entry["shape"]]
    elif how == "place":
        entry["data_offsets"] = rng.choice(([0, 0], [4, 0], [0, 2**62], [-4, 0], [0], None))
    elif how == "rename":
        header[rng.choice(NAMES)] = header.pop(name)
    elif how == "delete":
        del header[name]
    elif how == "swap":
        other = rng.choice([other for other in header if other != "__metadata__"])
        header[name], header[other] = header[other], header[name]
    elif how == "any":
        return f"header: {change_value(header, rng)}", joined(header, tensors)
    elif how == "size":
        return "size", rng.choice((0, 1, 2**32, 2**63, 2**64 - 1)).to_bytes(8, "little") + content[8:]
    else:
        text = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
        return "nesting", len(text).to_bytes(8, "little") + text + tensors
    return f"{how} of {name}", joined(header, tensors)


def change_weights(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A number of a tensor."""
    header, tensors = header_of(content)
    name = rng.choice([name for name in header if name != "__metadata__"])
    begin, end = header[name]["data_offsets"]
    if end - begin < 4:
        return "nothing", content
    at = begin + rng.randrange((end - begin) // 4) * 4
    value = rng.choice(
        (b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff", b"\0\0\0\0", b"\xff\xff\x7f\x7f", rng.randbytes(4))
    )
    changed = tensors[:at] + value + tensors[at + 4 :]
    return f"{value!r} in {name}", joined(header, changed)


def damage(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Bits flipped, bytes lost, added or cut off."""
    size = int.from_bytes(content[:8], "little")
    how = rng.randrange(5)
    at = rng.choice((rng.randrange(len(content)), rng.randrange(8 + size)))
    if how == 0:
        return "cut", content[: rng.choice((0, 4, 8, at))]
    if how == 1:
        return "lost", content[:at] + content[at + rng.randrange(1, 100) :]
    if how == 2:
        return "appended", content + rng.randbytes(rng.randrange(1, 9))
    return f"bit of byte {at}", content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


SPOILING: tuple[Callable[[bytes, random.Random], tuple[str, bytes]], ...] = (
    *(change_metadata, change_metadata, change_header, change_weights, damage),
)


# --- what is done with a spoilt file ---


def load(kind: str) -> Any:
    """The weights, and what is known about them, of the spoilt run: what an export starts from."""
    if kind == "character":
        from storyteller_trainer.character.model.checkpoint import load_checkpoint

        found: Any = load_checkpoint(FOLDER / "character")
    else:
        from storyteller_trainer.events.model.checkpoint import load_event_checkpoint

        found = load_event_checkpoint(FOLDER / "events" / "event")
    return {name: value.numpy().tobytes() for name, value in found.model.state_dict().items()}


def resume(kind: str) -> Any:
    """What the run comes to after another epoch, to the bit."""
    from storyteller_trainer.runs.tensor_file import read_tensors

    if kind == "character":
        from storyteller_trainer.character.training.run_folder import LastMetadata as Last

        run = train_character(FOLDER, resume=True, epochs=EPOCHS)
    else:
        from storyteller_trainer.events.training.run_folder import RunState as Last  # type: ignore[assignment]

        run = train_events(FOLDER, tasks=("event",), resume=True, epochs=EPOCHS) / "event"
    tensors = read_tensors(run / "last.safetensors", Last)[0]
    return {name: value.numpy().tobytes() for name, value in tensors.items()}


def export(kind: str) -> Any:
    """The weights in the exported graph, whose tracing is left out."""
    from storyteller_exporter.export import character, events

    class Traced(Exception):
        pass

    seen: dict[str, bytes] = {}

    def trace(model: Any, *arguments: Any, **more: Any) -> Any:
        seen.update((name, value.numpy().tobytes()) for name, value in model.state_dict().items())
        raise Traced

    module, begin = (
        (character, lambda: character.export_character(FOLDER / "character", FOLDER / "out.onnx"))
        if kind == "character"
        else (events, lambda: events.export_events(FOLDER / "events", FOLDER / "out"))
    )
    try:
        with patch.object(module, "export_module", trace):
            begin()
    except Traced:
        return seen
    return None


ATTEMPTS: dict[str, Callable[[str], Any]] = {"load": load, "resume": resume, "export": export}


def attempt(kind: str, how: str) -> tuple[str, Any]:
    """`refused` and the message, or `done` and what came of it."""
    try:
        return "done", ATTEMPTS[how](kind)
    except StorytellerError as error:
        return "refused", "\n".join(error.lines)


def tried(kind: str, how: str, expected: Any, signed: bool) -> Outcome:
    """One attempt, with what is wrong with its outcome."""
    end, found = attempt(kind, how)
    if end == "refused":
        lines = found.split("\n")
        fault = "" if all(lines) and len(lines) <= 2 and ".safetensors" in found else "not one message with the file"
        return Outcome(end, found, fault)
    if found == expected:
        return Outcome("the sound result", "")
    # What somebody has changed and left without a checksum is another run: it may come to something else.
    return Outcome("another result, unsigned", "") if not signed else Outcome(end, "", "another result")


def is_signed(content: bytes) -> bool:
    """Whether a file claims to be what was written."""
    try:
        (notes,) = header_of(content)[0]["__metadata__"].values()
        return CHECKSUM in json.loads(notes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return True


def make(rng: random.Random) -> Case:
    """A copy of the runs with one spoilt file, and what is done with it."""
    kind, how = rng.choice(("character", "events")), rng.choice(list(ATTEMPTS))
    file = "last.safetensors" if how == "resume" and rng.random() < 0.8 else "best.safetensors"
    for name in ("character", "events"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        shutil.copytree(SOUND / name, FOLDER / name)
    spoilt = FOLDER / ("character" if kind == "character" else "events/event") / file
    step, content = rng.choice(SPOILING)(spoilt.read_bytes(), rng)
    spoilt.write_bytes(content)
    signed = is_signed(content)
    return Case((kind, how, file, step), lambda: apart(lambda: tried(kind, how, EXPECTED[kind, how], signed), LIMIT))


def sound_result(kind: str, how: str) -> Any:
    """What comes of the sound runs."""
    for name in ("character", "events"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        shutil.copytree(SOUND / name, FOLDER / name)
    end, found = attempt(kind, how)
    assert end == "done", found
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        FOLDER = Path(made) / "tried"
        FOLDER.mkdir()
        write_character_data(FOLDER)
        write_event_data(FOLDER)
        train_character(FOLDER, epochs=EPOCHS, stop_after=1)
        train_events(FOLDER, epochs=EPOCHS, stop_after=1)
        SOUND = Path(made) / "sound"
        for run in ("character", "events"):
            shutil.copytree(FOLDER / run, SOUND / run)
        EXPECTED = {(kind, how): sound_result(kind, how) for kind in ("character", "events") for how in ATTEMPTS}
        sys.exit(fuzz(__doc__ or "", make, 500))
