"""Starts two commands that share a folder together, and looks at what they leave.

    python tests/fuzz/fuzz_pairs.py --count 320 --seed 1

The pairs come in turn, so that 320 inputs are 20 of each. Where both write the same files, they write different
content. Either both succeed, or one says in one line why not and ends with 1, as a second training in the same folder
does. There is no traceback, every file is whole, a report is on the file beside it, and nothing is left under a
temporary name. Either may be the first, by up to a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from fuzzing import Case, Outcome, Seeded, fuzz
from started import SAME_AGAIN, Call, Workshop, ill_said, left, mixed, torn


def data(seed: str) -> Call:
    return Call("generate-training-data", ("--examples", "1000", "--cells", "40", "--seed", seed, "-o", "made.jsonl"))


def event_data(seed: str) -> Call:
    return Call("generate-event-data", ("--per-kind", "20", "--seed", seed, "-o", "made.jsonl"))


def train(seed: str, *more: str) -> Call:
    options = ("--epochs", "3", "--cache-dir", "cache", "--seed", seed)
    return Call("train-character-model", ("character.jsonl", *options, *SAME_AGAIN, *more))


def train_events(seed: str, *more: str) -> Call:
    options = ("--encoder", "encoder", "--epochs", "2", "--task", "event", "--seed", seed)
    return Call("train-event-classifier", ("events.jsonl", *options, *SAME_AGAIN, *more))


def export(run: str) -> Call:
    return Call("export-character-model", (run, "--models", "models"))


def export_events(runs: str) -> Call:
    return Call("export-event-classifier", (runs, "--models", "models"))


def promote(run: str) -> Call:
    return Call("promote-model", (run, "--models", "models", "--margin", "9"))


VERIFY = Call("verify-onnx", ("models/character_predictor.onnx", "--checkpoint", "character"))
VERIFY_EVENTS = Call("verify-onnx", ("models/event_classifier", "--checkpoint", "events"))
EVALUATE = Call("evaluate-character-model", ("character", "-o", "evaluation.json"))
EVALUATE_EVENTS = Call("evaluate-classifier", ("models/event_classifier", "events.jsonl", "--latency-sentences", "0"))
HERE = ("-o", "character")
EVENTS_HERE = ("-o", "events")
PAIRS = {
    "data, data": (data("1"), data("2")),
    "event data, event data": (event_data("1"), event_data("2")),
    "train, train": (train("1", *HERE), train("2", *HERE)),
    "train, train in folders of their own": (train("1"), train("2")),
    "train, export": (train("1", *HERE), export("character")),
    "train, evaluate": (train("1", *HERE), EVALUATE),
    "train, list-runs": (train("1", *HERE), Call("list-runs", ("character",))),
    "export, export": (export("character"), export("character-2")),
    "export, verify": (export("character"), VERIFY),
    "promote, export": (promote("character"), export("character-2")),
    "promote, promote": (promote("character"), promote("character-2")),
    "train events, train events": (train_events("1", *EVENTS_HERE), train_events("2", *EVENTS_HERE)),
    "train events, export events": (train_events("1", *EVENTS_HERE), export_events("events")),
    "export events, export events": (export_events("events"), export_events("events-2")),
    "export events, evaluate events": (export_events("events"), EVALUATE_EVENTS),
    "export events, verify events": (export_events("events"), VERIFY_EVENTS),
}


def make(rng: Seeded) -> Case:
    """The pair whose turn it is, either of which may be the first."""
    name = list(PAIRS)[rng.number % len(PAIRS)]
    calls = rng.sample(PAIRS[name], 2)
    pause = rng.choice((0.0, rng.random()))
    return Case((name, f"{calls[0].command} first, by {pause:.2f} s"), lambda: together(name, calls, pause))


def together(name: str, calls: list[Call], pause: float) -> Outcome:
    """What came of two commands, and what was wrong with that."""
    SHOP.clear()
    first = SHOP.start(calls[0])
    time.sleep(pause)
    second = SHOP.start(calls[1])
    ends = [running.wait() for running in (first, second)]
    wrong = [*torn(SHOP.folder), *mixed(SHOP.folder), *left(SHOP.folder), *left(SHOP.temporary)]
    for call, (code, told) in zip(calls, ends, strict=True):
        wrong += ill_said(call, code, told)
        if code == 2:
            wrong.append(f"{call.command} ended with 2")
    codes = sorted(code for code, _ in ends)
    if codes == [1, 1]:
        wrong.append("neither has done its work")
    return Outcome(f"{name} {codes}", "\n".join(told for _, told in ends), "; ".join(wrong))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        SHOP = Workshop(Path(made))
        sys.exit(fuzz(__doc__ or "", make, 320))
