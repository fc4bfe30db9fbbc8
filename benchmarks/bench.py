"""The reference recipe and this workspace side by side, on one machine, in one run.

    python benchmarks/bench.py                 # some minutes; leave the machine alone meanwhile
    python benchmarks/bench.py --quick         # under three minutes, on little data: says only that the benchmark works
    python benchmarks/bench.py --write-docs    # runs nothing: puts the table of the last run into docs/performance.md

Makes a training file and a test set from cells that are not in it, reads the file in several ways (bench_load.py),
trains by the reference recipe (bench_reference.py) and by `train-character-model`, each in a process of its own whose
start is second 0, then exports, verifies and times what was trained. Prints a table, writes artifacts/bench.json.
docs/performance.md says what each row means.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bench_report
from bench_log import read_events
from bench_machine import commit, fix_threads, machine, versions
from rich.console import Console
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.settings import ARTIFACTS

RESULTS = ARTIFACTS / "bench.json"
SCRIPTS = Path(__file__).parent
PAGE = SCRIPTS.parent / "docs" / "performance.md"
#: Of the split by cell, the same for both sides.
SEED, VALIDATION_SHARE = 42, 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much is measured."""

    examples: int = 15_000
    test_examples: int = 40_000
    #: In place of each recipe's own number.
    epochs: int | None = None
    load_repeats: int = 5
    predictions: int = 20_000


QUICK = Sizes(examples=2_000, test_examples=4_000, epochs=5, load_repeats=2, predictions=2_000)


def measure(sizes: Sizes, folder: Path, quick: bool) -> dict[str, Any]:
    """Everything, in a folder for what is made on the way.

    Raises:
        StorytellerError: a step failed.
    """
    # First of all: what they look at is a machine which we do not yet keep busy.
    fix_threads()
    place = machine()
    results: dict[str, Any] = {
        "quick": quick,
        "taken_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": place,
        "versions": versions(),
    }
    _say("making the data")
    # PyTorch is imported here and not above, so that --help and --write-docs are quick. It also brings its files into
    # the page cache: no side pays for reading them from the disk.
    from bench_sets import SHIPPED_SET, make_unseen_set, training_plan
    from storyteller_trainer.sample.character.writer import write_dataset

    plan = training_plan(SHIPPED_SET, sizes.examples)
    data = folder / "character.jsonl"
    write_dataset(plan, data)
    unseen = make_unseen_set(plan, sizes.test_examples)
    rows, training = _split(data, folder / "validation.json")
    results["data"] = {
        "examples": training + rows,
        "train_examples": training,
        "validation_examples": rows,
        "test_examples": len(unseen.features),
        "test_cells": len(unseen.cells),
        "irreducible": unseen.irreducible,
    }

    _say("reading it in several ways")
    load = folder / "load.json"
    _run("bench_load.py", data, "--repeats", sizes.load_repeats, "--json", load)
    results["load"] = json.loads(load.read_text())

    epochs: list[object] = [] if sizes.epochs is None else ["--epochs", sizes.epochs]
    log = folder / "log.jsonl"
    _say("the reference recipe")
    weights = folder / "reference.safetensors"
    start = time.time()
    _run(
        "bench_reference.py",
        data,
        *("--validation", folder / "validation.json", "--log", log, "--output", weights),
        *epochs,
    )
    results["reference"] = summarise(read_events(log), start, time.time(), training)

    _say("ours, with an empty cache")
    run, cache = folder / "run", folder / "cache"
    ours: list[object] = [log, data, "--seed", SEED, "--val-fraction", VALIDATION_SHARE, "--cache-dir", cache]
    start = time.time()
    _run("bench_ours.py", *ours, "--output-dir", run, *epochs)
    results["ours"] = summarise(read_events(log), start, time.time(), training)
    _say("ours once more, with a full cache, for one epoch")
    start = time.time()
    _run("bench_ours.py", *ours, "--output-dir", folder / "warm", "--epochs", 1)
    again = summarise(read_events(log), start, time.time(), training)
    results["ours"]["warm_first_step_s"] = again["first_step_s"]

    _say("judging both on unseen cells")
    from safetensors.torch import load_file
    from storyteller_trainer.character.model.checkpoint import load_checkpoint
    from storyteller_trainer.character.model.network import CharacterModel

    reference = CharacterModel()
    reference.load_state_dict(load_file(weights))
    for side, model in (("reference", reference), ("ours", load_checkpoint(run).model)):
        loss = unseen.loss(model)
        results[side] |= {"test_loss": loss, "excess": loss - unseen.irreducible}

    _say("export, verification, latency")
    results["export"] = {
        precision: _exported(run, data, folder / precision / "character_predictor.onnx", options, sizes.predictions)
        for precision, options in (("float32", []), ("int8", ["--int8"]))
    }
    return results


def _split(data: Path, output: Path) -> tuple[int, int]:
    """Writes down the lines that `train-character-model` will validate on; the numbers of validation and training."""
    from storyteller_trainer.character.data.dataset import load_dataset
    from storyteller_trainer.character.data.split import split_by_cell

    loaded = load_dataset(data, None)
    split = split_by_cell(loaded.cells, loaded.cell_names, VALIDATION_SHARE, SEED)
    output.write_text(json.dumps(split.validation.tolist()))
    return len(split.validation), len(split.train)


def summarise(events: Sequence[dict[str, Any]], start: float, end: float, training: int) -> dict[str, Any]:
    """The log of a training process that began and ended at these times, with so many examples on its training side.

    The rates are those of the whole loop: validation, and ours with writing checkpoints.

    Raises:
        StorytellerError: the process noted no step or no epoch.
    """
    first = next((event for event in events if event["event"] == "first_step"), None)
    epochs = [event for event in events if event["event"] == "epoch"]
    if first is None or not epochs:
        raise StorytellerError(f"a training process noted no step or no epoch, only {[e['event'] for e in events]}")
    last, best = epochs[-1], min(epochs, key=lambda event: float(event["val_loss"]))
    loop = last["time"] - first["time"]
    return {
        "wall_s": end - start,
        "first_step_s": first["time"] - start,
        "epochs": last["epoch"],
        "best_epoch": best["epoch"],
        "best_val_loss": best["val_loss"],
        "steps_per_s": (last["steps"] - 1) / loop,
        "examples_per_s": training * last["epoch"] / loop,
        "peak_bytes": events[-1]["peak_bytes"],
        "curve": [(event["time"] - start, event["val_loss"]) for event in epochs],
    }


def _exported(run: Path, data: Path, model: Path, options: Sequence[str], predictions: int) -> dict[str, Any]:
    """Exports, verifies and times one file. That the verification finds something is a result, not a failure."""
    from bench_onnx import latency

    command = Path(sys.executable).parent
    exported = _timed([command / "export-character-model", run, "--output", model, *options], accepted=(0,))
    verified = _timed(
        [command / "verify-onnx", model, "--checkpoint", run, "--data", data, "--output", model.with_suffix(".json")],
        accepted=(0, 1),
    )
    return {
        "export_s": exported[1],
        "verify_s": verified[1],
        "verdict": "failed" if verified[0] else "passed",
        "bytes": model.stat().st_size,
        **latency(model, predictions),
    }


def _run(script: str, *arguments: object) -> None:
    """One of the scripts beside this one, in a process of its own; errors as in `_timed`."""
    _timed([sys.executable, SCRIPTS / script, *arguments], accepted=(0,))


def _timed(command: Sequence[object], accepted: tuple[int, ...]) -> tuple[int, float]:
    """Exit code and wall seconds of a command.

    Raises:
        StorytellerError: another exit code than accepted, with the end of what the command said.
    """
    words = [str(word) for word in command]
    # A user's .env or variables must not lead a benchmark to other data.
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("STORYTELLER_")}
    start = time.perf_counter()
    done = subprocess.run(words, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in accepted:
        said = "\n".join(done.stdout.splitlines()[-20:])
        raise StorytellerError(f"exit code {done.returncode} of {' '.join(words)}\n{said}")
    return done.returncode, seconds


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _last_results(path: Path) -> dict[str, Any]:
    """What an earlier run wrote.

    Raises:
        StorytellerError: there is none.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorytellerError(f"{path}: cannot be read ({error.strerror}); run the benchmark first") from error
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, or writes the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little data and few epochs")
    parser.add_argument("--write-docs", action="store_true", help="run nothing: the last run's table into the docs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go [%(default)s]")
    options = parser.parse_args(arguments)
    try:
        if options.write_docs:
            bench_report.write_between_markers(PAGE, bench_report.markdown(_last_results(options.output)))
            return
        with tempfile.TemporaryDirectory() as folder:
            results = measure(QUICK if options.quick else Sizes(), Path(folder), options.quick)
        write_atomic(options.output, json.dumps(results, indent=2) + "\n")
    except StorytellerError as error:
        sys.exit(f"error: {error}")
    console = Console()
    console.print(bench_report.terminal_table(results))
    for line in bench_report.setting(results):
        console.print(line, markup=False, highlight=False)
    console.print(f"written: {options.output}", markup=False, highlight=False)


if __name__ == "__main__":
    main()
