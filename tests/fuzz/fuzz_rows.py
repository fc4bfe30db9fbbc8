"""Breaks rows of character and event data and has `--validate-only` of the two training commands read them.

    python tests/fuzz/fuzz_rows.py --count 3000 --seed 1

Whatever is in a file, the command ends with 0, 1 or 2 within 10 s and without a traceback. Every problem is told in one
line with file and line number, without raw control characters. A second reading of the rows, written here from the
contract and slow, refuses exactly the lines that the command refuses; but of a key that stands twice in an object the
last value counts here, and the command may judge the other one too.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import random
import re
import struct
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from fuzzing import Case, Outcome, at_most, fault_of, fuzz, invoke
from storyteller_schema.contract.enums import ActionType, Primary
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Kind, Layout
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.commands.train_character_model import main as character
from storyteller_trainer.commands.train_event_classifier import main as events

#: Seconds that one file may take.
LIMIT = 10
#: Problems that are told one by one.
SHOWN = 20
LONGEST_LINE = 2200
SENTENCES = (
    ("I pick up the rusty sword and hand it to Zoë.", ("the rusty sword", "Zoë")),
    ("Søren walked to the old mill 🎭 with Mara.", ("Søren", "the old mill", "Mara")),
    ("You tell the ferryman about the crown.", ("the ferryman", "the crown")),
)
PLAIN = "The guard sleeps."

STRANGE: tuple[Any, ...] = (
    *(None, True, False, {}, [], "", " ", "\t", 0, -1, 1, 2, 0.5, -0.0, 3.0, 1e-45, 1e-320, 3.4e38, 3.41e38, 1e308),
    *(float("nan"), float("inf"), float("-inf"), 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 0.1, 1.0000001),
    *(
        "\x1b[2J\x1b]0;x\x07",
        "[/x]",
        "[bold]a",
        "\u202eabc",
        "\ud83c",
        "\ufeff",
        "\x00",
        "a\r\nb",
        "x" * 5000,
        "\u2028",
    ),
    *([[]], {"": None}, [None] * 3, "CHARACTER", "Actor", "player", "SpeechAct", "character", "e\u0301"),
)
RAW: tuple[bytes, ...] = (
    *(b"NaN", b"-Infinity", b"1e400", b"-1e999", b"01", b"1.", b".5", b"+1", b"1e", b"0x10", b"1_0", b"'a'", b"tru"),
    *(b"1" * 5000, b"1." + b"0" * 5000, b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83c\\udfad"', b'"\\x41"', b'"a\tb"'),
    *(b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\\u0000"', b"/* */1", b"1e-400", b"-0"),
    *(b"[" * 50 + b"]" * 50, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000),
)

Row = dict[str, Any]


def event_row(rng: random.Random) -> Row:
    """A sound one, whose offsets count bytes or characters."""
    text, words = rng.choice(SENTENCES)
    in_bytes, entities = rng.random() < 0.5, []
    for word in words:
        start, end = text.index(word), text.index(word) + len(word)
        if in_bytes:
            start, end = len(text[:start].encode()), len(text[:end].encode())
        named = {"category": rng.choice(list(EntityCategory)), "role": rng.choice(list(EntityRole))}
        entities.append({"start": start, "end": end, "text": word} | named)
    row = {"id": "1", "text": text, "register": rng.choice(list(Register)), "entities": entities}
    row["event_kinds"] = rng.sample(list(EventKind), rng.randrange(1, 4))
    if rng.random() < 0.5:
        row["action_type"] = rng.choice(list(ActionType))
    return row


@functools.cache
def sound_records() -> list[Row]:
    from character_data import make_records

    return make_records(8)


def character_row(rng: random.Random) -> Row:
    return copy.deepcopy(rng.choice(sound_records()))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value; of a long list of numbers a few."""
    found = [path] if path else []
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in items if len(items) < 40 else random.Random(len(items)).sample(items, 20):
        found += places(inner, (*path, key))
    return found


def change(row: Row, rng: random.Random) -> tuple[str, Any, Any]:
    """One change in place; what it was, and the object and key that it is at."""
    path = rng.choice(places(row))
    if path[0] in ("features", "labels") and rng.random() < 0.7:  # any of the many numbers
        path = (path[0], rng.randrange(max(len(row[path[0]]), 1))) if isinstance(row[path[0]], list) else path
    parent: Any = row
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    how = rng.choice(("strange", "strange", "delete", "repeat", "number", "text", "rename", "hash"))
    if isinstance(parent, list) and key >= len(parent):
        return "nothing", parent, None
    old = parent[key]
    if how == "strange":
        parent[key] = rng.choice(STRANGE)
    elif how == "delete":
        del parent[key]
        return f"delete {path}", parent, None
    elif how == "repeat" and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(old))
    elif how == "number" and isinstance(old, int | float) and not isinstance(old, bool) and abs(old) < 1e300:
        parent[key] = rng.choice((old + 1, old - 1, -old, old * 2, float(old), old + 0.5, 1 - old))
    elif how == "text" and isinstance(old, str):
        parent[key] = rng.choice(
            (old + " ", old.lower(), old[1:], old + "\u0301", old[::-1], old + "\x1b[0m", old * 400)
        )
    elif how == "rename" and isinstance(parent, dict):
        parent[f"{key}_"] = parent.pop(key)
        return f"rename {path}", parent, None
    elif how == "hash" and "content_hash" in row:  # so that what was changed in the numbers is all that is wrong
        row.pop("content_hash")
    return f"{how} {path}", parent, key


def written(row: Any, rng: random.Random) -> bytes:
    """As JSON, in one of its forms."""
    text = json.dumps(
        row, ensure_ascii=rng.random() < 0.5, indent=None, separators=rng.choice(((",", ":"), (", ", ": ")))
    )
    return text.encode(errors="surrogatepass")


def broken(make_row: Callable[[random.Random], Row], rng: random.Random) -> tuple[str, bytes]:
    """A line without its end, and what was done to it."""
    row = make_row(rng)
    kind = rng.choice(("values", "values", "values", "raw", "bytes", "duplicate", "whole"))
    if kind == "values":
        steps = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            if not places(row):
                break
            steps.append(change(row, rng)[0])
        return "; ".join(steps), written(row, rng)
    if kind == "raw":
        step, parent, key = change(row, rng)
        if key is None:
            return step, written(row, rng)
        parent[key] = "@here@"
        raw = rng.choice(RAW)
        return f"{step}: {raw[:20]!r}", written(row, rng).replace(b'"@here@"', raw)
    content = written(row, rng)
    if kind == "duplicate":
        key = rng.choice(list(row))
        value = json.dumps(rng.choice((row[key], None, "x", 1))).encode()
        first = rng.random() < 0.5
        pair = json.dumps(key).encode() + b":" + value
        return f"{key} twice", b"{" + pair + b"," + content[1:] if first else content[:-1] + b"," + pair + b"}"
    if kind == "whole":
        options = (
            b"",
            b" ",
            b"null",
            b"[]",
            b"1",
            b'"a"',
            b"{}",
            content + content,
            b"[" + content + b"]",
            b"\xef\xbb\xbf",
        )
        return "whole", rng.choice((*options, b"\xef\xbb\xbf" + content, content + b"\r", b"\x00", b"\x1f\x8b\x08"))
    at = rng.randrange(len(content))
    how = rng.randrange(4)
    if how == 0:
        return "byte", content[:at] + rng.randbytes(rng.randrange(1, 4)).replace(b"\n", b"") + content[at:]
    if how == 1:
        return "cut", content[:at]
    if how == 2:
        return "lost", content[:at] + content[at + rng.randrange(1, 30) :]
    flipped = bytes([content[at] ^ 1 << rng.randrange(8)])
    return "bit", content[:at] + flipped.replace(b"\n", b" ") + content[at + 1 :]


# --- the second reading -----------------------------------------------------------------------------------------------


def no_constant(name: str) -> None:
    raise ValueError(name)


def object_of(line: bytes) -> Row:
    """
    Raises:
        ValueError: it is no JSON object, or holds what UTF-8 cannot write.
    """
    value = json.loads(line.decode(), parse_constant=no_constant)
    walk(value)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def walk(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict | list):
        for inner in value.items() if isinstance(value, dict) else value:
            walk(list(inner) if isinstance(inner, tuple) else inner)


def need(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def floats_of(values: Any, layout: Layout) -> tuple[float, ...]:
    need(isinstance(values, list) and len(values) == layout.size, "length")
    need(all(map(is_number, values)), "numbers")
    try:
        packed = struct.pack(f"<{layout.size}f", *values)
    except (OverflowError, struct.error) as error:
        raise ValueError("float32") from error
    found = struct.unpack(f"<{layout.size}f", packed)
    need(all(map(math.isfinite, found)), "finite")
    return found


def read_character(line: bytes) -> None:
    """
    Raises:
        ValueError: it is no character example.
    """
    row = object_of(line)
    cell = row.get("cell")
    need(isinstance(cell, dict), "cell")
    assert isinstance(cell, dict)
    need(all(isinstance(cell.get(key), str) for key in ("archetype_a", "archetype_b", "dynamic", "profile")), "cell")
    need(isinstance(cell.get("a_is_role_a"), bool), "cell")
    features, labels = floats_of(row.get("features"), FEATURES), floats_of(row.get("labels"), PREDICTIONS)
    for layout, values in ((FEATURES, features), (PREDICTIONS, labels)):
        for region in layout.regions:
            for slot in range(region.slots):
                begin = region.offset + slot * region.per_slot
                empty = not any(values[begin : begin + region.per_slot])
                for field in region.fields:
                    found = values[region.locate(field.name, slot)]
                    name = f"{region.name}.{field.name}"
                    if field.kind is Kind.ONE_HOT and not (layout is FEATURES and empty):
                        silent = name == "speech.register" and not labels[PREDICTIONS.span("speech.occurs")][0]
                        need(sorted(found) == [0] * (len(found) - 1) + [1] or (silent and not any(found)), name)
                    if field.kind is Kind.BINARY and layout is PREDICTIONS:
                        need(set(found) <= {0, 1}, name)
    (dominant,) = labels[PREDICTIONS.span("thought.dominant_emotion_index")]
    need(dominant in range(len(Primary)), "dominant emotion")
    score, stated = row.get("coherence_score"), row.get("content_hash")
    need(score is None or (is_number(score) and 0 <= score <= 1), "coherence")
    packed = struct.pack(f"<{len(features)}f", *features) + struct.pack(f"<{len(labels)}f", *labels)
    need(stated is None or stated == hashlib.sha256(packed).hexdigest(), "hash")


def named(value: Any, names: Any) -> bool:
    """In any of serde's ways to write a variant."""

    def folded(name: str) -> str:
        return name.replace("_", "").replace("-", "").casefold()

    return isinstance(value, str) and folded(value) in {folded(member.value) for member in names}


def read_event(line: bytes) -> None:
    """
    Raises:
        ValueError: it is no event example.
    """
    row = object_of(line)
    text, kinds, entities = (row.get(key) for key in ("text", "event_kinds", "entities"))
    need(isinstance(row.get("id"), str) and isinstance(text, str) and text.strip(), "id, text")
    assert isinstance(text, str)
    need(named(row.get("register"), Register), "register")
    need(isinstance(kinds, list) and kinds and all(named(kind, EventKind) for kind in kinds), "kinds")
    need(row.get("action_type") is None or named(row["action_type"], ActionType), "action")
    need(row.get("template") is None or isinstance(row["template"], str), "template")
    need(isinstance(entities, list), "entities")
    assert isinstance(entities, list)
    for entity in entities:
        need(isinstance(entity, dict), "entity")
        need(
            all(isinstance(entity.get(key), int) and not isinstance(entity[key], bool) for key in ("start", "end")),
            "at",
        )
        need(isinstance(entity.get("text"), str), "entity text")
        need(named(entity.get("category"), EntityCategory) and named(entity.get("role"), EntityRole), "named")
    whole = text.encode()
    need(
        all(
            whole[e["start"] : e["end"]] == e["text"].encode() and 0 <= e["start"] < e["end"] <= len(whole)
            for e in entities
        )
        or all(text[e["start"] : e["end"]] == e["text"] and 0 <= e["start"] < e["end"] <= len(text) for e in entities),
        "offsets",
    )
    ordered = sorted(entities, key=lambda entity: entity["start"])
    need(all(before["end"] <= after["start"] for before, after in pairwise(ordered)), "overlap")


def wrong_lines(content: bytes, read: Callable[[bytes], None]) -> set[int]:
    """The lines that the second reading refuses, counted from 1."""
    found = set()
    for number, line in enumerate(content.split(b"\n"), start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        try:
            read(line)
        except (ValueError, RecursionError):
            found.add(number)
    return found


# --- one input --------------------------------------------------------------------------------------------------------


def make(rng: random.Random) -> Case:
    """A file of a few rows, one to three of them broken."""
    make_row, command, read = rng.choice(((character_row, character, read_character), (event_row, events, read_event)))
    steps = ["character" if command is character else "events"]
    if command is events:
        sound = json.dumps(
            {"id": "0", "text": PLAIN, "register": "player", "entities": [], "event_kinds": ["SpeechAct"]}
        )
    else:
        sound = json.dumps(sound_records()[0])
    lines = [sound.encode() for _ in range(rng.randrange(3))]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        # A second row of events may count in another unit, which is for the whole file to judge, not here.
        step, line = broken(make_row if command is character or len(steps) == 1 else lambda _: json.loads(sound), rng)
        steps.append(step)
        lines.insert(rng.randrange(len(lines) + 1), line)
    content = b"\n".join(lines) + rng.choice((b"\n", b"\n", b""))
    FILE.write_bytes(content)
    expected = wrong_lines(content, read)

    def run() -> Outcome:
        with at_most(LIMIT):
            result = invoke(command, "--validate-only", str(FILE))
        outcome = Outcome(str(result.exit_code), result.output, fault_of(result))
        if outcome.fault:
            return outcome
        return Outcome(outcome.ended, outcome.output, judge(result.exit_code, result.output, content, expected))

    return Case(tuple(steps), run)


def judge(code: int, output: str, content: bytes, expected: set[int]) -> str:
    """What is wrong with what the command says, or nothing."""
    told = [line for line in output.split("\n") if line]
    if any(not (character.isprintable() or character == "\u3000") for line in told for character in line):
        return "a raw control character"
    if any(len(line) > LONGEST_LINE for line in told):
        return "a line without end"
    if code == 2 or (code == 1 and told and told[0].startswith("Error: ")):  # the file as a whole
        if str(FILE) not in output:
            return "the file is not named"
        return "" if not sound_lines(content, expected) or content[:2] == b"\x1f\x8b" else "the whole file is refused"
    problems = [line for line in told if line.startswith(str(FILE))]
    places = [re.match(re.escape(str(FILE)) + r": line (\d+): ", line) for line in problems]
    if not all(places):
        return "a problem without file and line"
    found = {int(place[1]) for place in places if place}
    twice = {number for number, line in enumerate(content.split(b"\n"), start=1) if repeats_key(line)}
    if len(problems) < SHOWN and found - twice != expected - twice:
        return f"refused lines {sorted(found)}, but the second reading refuses {sorted(expected)}"
    if not found - twice <= expected:
        return f"refused lines {sorted(found - expected)} too much"
    total = re.search(r"^ *(\d+) problems", output, re.MULTILINE)
    if problems and (total is None or min(int(total[1]), SHOWN) != len(problems)):
        return "not one line a problem"
    if len(problems) < SHOWN and expected - found:
        return "accepted what is broken"
    return ""


def repeats_key(line: bytes) -> bool:
    """Whether an object in a line names a key twice."""
    found = []
    try:
        json.loads(line.decode(), object_pairs_hook=lambda pairs: found.append(len(pairs) - len(dict(pairs))))
    except (ValueError, RecursionError):
        return False
    return any(found)


def sound_lines(content: bytes, expected: set[int]) -> bool:
    """Whether a line is left that is neither blank nor broken."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return any(line.strip() and number not in expected for number, line in enumerate(lines, start=1))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE = Path(folder) / "rows.jsonl"
        sys.exit(fuzz(__doc__ or "", make, 3000))
