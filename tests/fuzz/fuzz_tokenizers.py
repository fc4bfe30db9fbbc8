"""Spoils the tokenizer.json in an exported event folder; `verify-onnx` and `evaluate-classifier` then use the folder.

    python tests/fuzz/fuzz_tokenizers.py --count 300 --seed 1

Whatever the file is, neither command is brought down by the library that reads it: `verify-onnx` writes its report, in
which the tokenizer is good or one failed check for each model, and `evaluate-classifier` scores or refuses. Every
second time the models do not say which tokenizer they were exported with, as files made elsewhere do not.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx
from fuzzing import Case, Outcome, apart, fault_of, fuzz, invoke
from samples import export_events, train_events, write_event_data
from storyteller_exporter.commands.evaluate_classifier import main as evaluate
from storyteller_exporter.commands.verify_onnx import main as verify
from storyteller_exporter.events.file_metadata import TOKENIZER, TOKENIZER_HASH

#: WordPiece, Unigram with Metaspace, byte-level BPE.
FAMILIES = ("bert", "deberta-v2", "modernbert")
#: Seconds that a model may take for each of: reading, checking, loading, running; and the command.
SECONDS = 8
LIMIT = 90
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**31, 2**32, 2**63, 10**30, 0.5, float("nan"), "", "x", "[/x]", "\x1b[2J", "\ud800"),
    *([], {}, [[]], "x" * 100_000, "(", "(a+)+$", "[UNK]", "▁", "\x00", [0, 0], ["a", "b"], {"type": "Sequence"}),
)
STEPS: dict[str, tuple[Any, ...]] = {
    "normalizer": (
        None,
        {"type": "Lowercase"},
        {"type": "NFKD"},
        {"type": "StripAccents"},
        {"type": "Prepend", "prepend": "x" * 1000},
        {"type": "Replace", "pattern": {"Regex": "(.*)*$"}, "content": "y" * 100},
        {"type": "Replace", "pattern": {"String": ""}, "content": "z"},
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 500},
        {"type": "Strip", "strip_left": True, "strip_right": True},
    ),
    "pre_tokenizer": (
        None,
        {"type": "Whitespace"},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
        {"type": "Split", "pattern": {"Regex": "(a|a)*b"}, "behavior": "MergedWithNext", "invert": True},
        {"type": "CharDelimiterSplit", "delimiter": " "},
        {"type": "Sequence", "pretokenizers": []},
    ),
    "post_processor": (
        None,
        {"type": "BertProcessing", "sep": ["[SEP]", 2**31], "cls": ["[CLS]", 1]},
        {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {"type": "Sequence", "processors": []},
    ),
    "truncation": ({"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 5},),
    "padding": (
        {"strategy": {"Fixed": 2**40}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    ),
    "decoder": (None, {"type": "ByteLevel"}),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value; of the vocabulary and other long lists a few."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    chosen = items if len(items) < 20 else random.Random(len(items)).sample(items, 8)
    return ([path] if path else []) + [inner for key, each in chosen for inner in places(each, (*path, key))]


def change(document: Any, rng: random.Random) -> str:
    """One change of a kind that the format knows, or of any value."""
    model = document.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    how = rng.choice(("step", "step", "value", "value", "id", "merges", "added", "delete", "swap"))
    if how == "step":
        part = rng.choice(list(STEPS))
        document[part] = copy.deepcopy(rng.choice(STEPS[part]))
        return f"{part} {json.dumps(document[part])[:60]}"
    if how in ("id", "swap") and isinstance(vocabulary, dict) and len(vocabulary) > 1:
        first, second = rng.sample(list(vocabulary), 2)
        if how == "swap":
            vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
        else:
            vocabulary[first] = rng.choice((vocabulary[second], 2**31, 2**32 - 1, 10**6, -1, len(vocabulary)))
        return f"{how} of {first}"
    if how == "merges" and isinstance(model, dict) and model.get("merges"):
        merges = model["merges"]
        at = rng.randrange(len(merges))
        merges[at] = rng.choice((["zz", "qq"], "zz qq", merges[at][::-1], [], ["a", "b", "c"], merges[0]))
        return f"merge {at}"
    if how == "added" and isinstance(document.get("added_tokens"), list):
        token: dict[str, Any] = {
            "id": rng.choice((0, 3, 10**6, 2**32 - 1)),
            "content": rng.choice(("the", "", " ", "[CLS]", "x" * 1000)),
        }
        flags = {name: rng.random() < 0.5 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        document["added_tokens"].append(token | flags)
        return f"added {token['content'][:20]!r} {token['id']}"
    path = rng.choice(places(document))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if how == "delete":
        del parent[path[-1]]
        return f"delete {path}"
    parent[path[-1]] = copy.deepcopy(rng.choice(VALUES))
    return f"{path} = {parent[path[-1]]!r}"[:100]


def make(rng: random.Random) -> Case:
    """A copy of the folder with a spoilt tokenizer, of its own family or another."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    noted = rng.random() < 0.5
    shutil.copytree(SOUND if noted else UNNOTED, FOLDER)
    family = rng.choice(list(TOKENIZERS))
    steps = [family, "noted" if noted else "not noted"]
    if rng.random() < 0.85:
        document = json.loads(TOKENIZERS[family])
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if isinstance(document, dict) and document:
                steps.append(change(document, rng))
        content = json.dumps(document).encode()
    else:
        content = TOKENIZERS[family].encode()
        at = rng.randrange(len(content))
        how = rng.randrange(4)
        steps.append(("cut", "lost", "bit", "nested")[how])
        if how == 0:
            content = content[:at]
        elif how == 1:
            content = content[:at] + content[at + rng.randrange(1, 50) :]
        elif how == 2:
            content = content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        else:
            content = content[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (FOLDER / TOKENIZER).write_bytes(content)
    verifies = rng.random() < 0.5
    steps.append("verify-onnx" if verifies else "evaluate-classifier")
    return Case(tuple(steps), lambda: apart(verified if verifies else evaluated, LIMIT))


def verified() -> Outcome:
    """`verify-onnx` of the folder."""
    report = FOLDER / "report.json"
    limits = ("--time-limit", str(SECONDS))
    result = invoke(verify, str(FOLDER), "--checkpoint", str(RUNS), *limits, "--output", str(report))
    end = f"verify {result.exit_code}"
    if fault := fault_of(result) or ("" if report.exists() else "no report") or unseen(result.output):
        return Outcome(end, result.output, fault)
    for told in json.loads(report.read_text(encoding="utf-8"))["files"]:
        found = [check["status"] for check in told["checks"] if check["name"] == "tokenizer"]
        if found not in (["ok"], ["failed"]):
            return Outcome(end, result.output, f"the tokenizer's checks are {found}")
    return Outcome(end, result.output)


def evaluated() -> Outcome:
    """`evaluate-classifier` of the folder."""
    result = invoke(evaluate, str(FOLDER), str(DATA), "--latency-sentences", "0")
    fault = fault_of(result) or unseen(result.output)
    if not fault and result.exit_code and str(FOLDER) not in result.output:
        fault = "the folder is not named"
    return Outcome(f"evaluate {result.exit_code}", result.output, fault)


def tokenizer_json(folder: Path, family: str) -> str:
    """The tokenizer of a tiny encoder."""
    from tiny_encoders import save_tiny_encoder

    return (save_tiny_encoder(folder, family) / TOKENIZER).read_text(encoding="utf-8")


def unseen(output: str) -> str:
    shown = all(character.isprintable() or character == "\n" for character in output)
    return "" if shown else "a raw control character"


def without_note(folder: Path) -> None:
    """Removes from the models the note on their tokenizer."""
    for file in folder.glob("*.onnx"):
        model = onnx.load(str(file))
        kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != TOKENIZER_HASH}
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, kept)
        file.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        DATA = write_event_data(place)
        RUNS = train_events(place)
        SOUND = export_events(place)
        UNNOTED = shutil.copytree(SOUND, place / "unnoted")
        without_note(UNNOTED)
        FOLDER = place / "spoilt"
        TOKENIZERS = {name: tokenizer_json(place / name, name) for name in FAMILIES}
        sys.exit(fuzz(__doc__ or "", make, 300))
