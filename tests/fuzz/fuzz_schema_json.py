"""Mutates the committed schema JSON and runs the drift check over it.

    python tests/fuzz/fuzz_schema_json.py --count 300 --seed 1

Whatever is done to the file, the check ends with 0, 1 or 2 within 10 s and without a traceback. Where a value, an order
or a name of the contract was changed, it does not end with 0 unless it says that it did not see that topic.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from fuzzing import Case, fuzz
from schema_fuzzing import Checked, schema_case

REFERENCE = (files("storyteller_schema.drift") / "reference_schema.json").read_bytes()
#: Keys whose content is free text, or an input that both sides read: changing it changes no value of the contract.
FREE = frozenset({"description", "scenario", "outputs"})
#: Lists of examples: fewer of them, or in another order, say nothing else.
EXAMPLES = frozenset({"golden_encode", "golden_decode"})
STRANGE: tuple[Any, ...] = (
    None,
    True,
    {},
    [],
    "",
    "\\[/x]",
    "[bold]",
    "\x1b[2J",
    "x" * 10_000,
    -1,
    2**31,
    10**30,
    1e308,
    0.5,
    "\ud83c\udfad",
    [[]],
    {"": None},
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value; of long lists of numbers some."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*path, key))
    return found


def mutate(document: Any, rng: random.Random) -> tuple[str, bool]:
    """One change in place; what it was, and whether it is one of the contract."""
    # The golden vectors have most of the values: every second change is elsewhere.
    every = [path for path in paths(document) if rng.random() < 0.5 or path[0] not in EXAMPLES]
    if rng.random() < 0.5:
        every = [path for path in every if path[0] not in EXAMPLES] or every
    path = rng.choice(every)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    key, old = path[-1], parent[path[-1]]
    free = bool(FREE & set(path)) or (path[0] in EXAMPLES and len(path) <= 2)
    how = rng.choice(("strange", "delete", "number", "rename", "swap", "repeat"))
    changed = True
    if how == "strange":
        parent[key] = rng.choice(STRANGE)
    elif how == "delete":
        del parent[key]
    elif how == "number" and isinstance(old, int | float) and not isinstance(old, bool):
        parent[key] = old + rng.choice((1, -1, 0.25, 1e6))
    elif how == "rename" and isinstance(parent, dict):
        parent[f"{key}_"] = parent.pop(key)
    elif how == "rename" and isinstance(old, str):
        parent[key] = old.swapcase() + "x"
    elif how == "swap" and isinstance(parent, list) and len(parent) > 1:
        other = rng.randrange(len(parent))
        parent[key], parent[other] = parent[other], old
        return f"{how} {path} {other}", parent[key] != old and not free
    elif how == "repeat" and isinstance(parent, list):
        parent.insert(key, old)
    else:
        changed = False
    same = isinstance(parent, list) and key < len(parent) and parent[key] == old and how != "repeat"
    same = same or (isinstance(parent, dict) and key in parent and parent[key] == old)
    return f"{how} {path}", changed and not same and not free


def damage(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Garbled, lost, repeated or nested bytes."""
    at, to = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    how = rng.randrange(6)
    if how == 0:
        return "bytes inserted", content[:at] + rng.randbytes(rng.randrange(1, 6)) + content[at:]
    if how == 1:
        return "cut", content[:at]
    if how == 2:
        return "part lost", content[:at] + content[min(to, at + 60) :]
    if how == 3:
        depth = rng.choice((100, 2000, 100_000))
        return "nested", content.replace(b'"enums"', b'"x": ' + b"[" * depth + b"]" * depth + b', "enums"', 1)
    if how == 4:
        return "a byte that is no UTF-8", content.replace(b"tensor", b"ten\xffsor", 1)
    return "digits", content.replace(b"453", b"4" * rng.choice((20, 400, 5000)), 1)


def make(rng: random.Random) -> Case:
    """A file with up to three changes."""
    steps, semantic = [], False
    content = REFERENCE
    if rng.random() < 0.7:
        document = json.loads(REFERENCE)
        for _ in range(1 if rng.random() < 0.7 else 3):
            step, touches = mutate(document, rng)
            steps.append(step)
            # A second change may undo the first: only a single one is held against the check.
            semantic = touches and len(steps) == 1
            if not isinstance(document, dict) or not document:
                break
        content = json.dumps(document).encode(errors="surrogatepass")
    else:
        step, content = damage(REFERENCE, rng)
        steps.append(step)
    FILE.write_bytes(content)

    def judge(outcome: Checked) -> str:
        if semantic and outcome.exit_code == 0 and not outcome.unconfirmed:
            return "passed in silence"
        return ""

    return schema_case(tuple(steps), judge, str(FILE))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE = Path(folder) / "schema.json"
        sys.exit(fuzz(__doc__ or "", make, 300))
