"""The character model all in Rust, by burn (rust/burn-character), beside what is in use today, as tables.

    GOMP_SPINCOUNT=2000 python benchmarks/bench_burn.py [RUN] [--predictions 100000] [--epochs 3]
    python benchmarks/bench_burn.py --builds

RUN is a trained run whose data is still there, by default `artifacts/character`. Without `--builds`:

- one example a call, all by one thread: ONNX Runtime in the stand-in (rust/engine), burn with the run's
  `best.safetensors`, and what burn's importer made of the exported file. Load is from the call to a model that can
  predict; memory is resident, before and after the predictions; a program's size is without its symbols;
- training by the reference recipe on the run's data: PyTorch by one thread and by two, and burn, in turns. An epoch is
  its steps, reading batches included; the first of each is not counted. The variable is what `train-character-model`
  sets, so that threads of PyTorch that wait for a busy core do not spin.

With `--builds`, and nothing else: the CPU time of clean builds of both crates in a folder that is removed again. What
cargo has to download is there already. Needs cargo.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_machine import machine
from rust_engine import BURN_CRATE, CRATE, EngineError, build, run_engine, run_program, runtime_library
from storyteller_exporter.export.character import export_character
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.batches import ResidentSource
from storyteller_trainer.character.data.split_file import write_split
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.model.held_out import DividedData, data_of_run
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.reading.jsonl import DataGoneError
from storyteller_trainer.runs.device import subnormals_as_zero

DEFAULT_RUN = Path("artifacts/character")
#: Turns of the training: each side trains in each.
TURNS = 3


def prediction_rows(run: Path, folder: Path, predictions: int) -> Iterator[str]:
    """One line of the table for each way to predict."""
    model = (folder / "character_predictor.onnx").resolve()
    export_character(run, model)
    engine, burn = build(), build(BURN_CRATE)
    build(BURN_CRATE, "--features", "onnx", variables={"CHARACTER_ONNX": str(model)})
    best = (run / "best.safetensors").resolve()
    count = str(predictions)
    [by_ort] = run_engine(engine, "bench", model, count)
    [by_burn] = run_program(burn / "burn-character", "bench", best, count)
    [imported] = run_program(burn / "imported-character", "bench", count)
    library = _mebibytes(runtime_library().stat().st_size)
    yield _row("ONNX Runtime", by_ort, f"{_stripped(engine / 'engine', folder)}, and {library} of library")
    yield _row("burn, safetensors", by_burn, _stripped(burn / "burn-character", folder))
    yield _row("burn, imported ONNX", imported, f"{_stripped(burn / 'imported-character', folder)}, weights included")


def _row(name: str, measured: dict[str, Any], size: str) -> str:
    single, shared = measured["single"], measured["shared_by_two"]
    cells = [
        name,
        f"{measured['load_us'] / 1000:.1f} ms",
        f"{single['p50_us']:.0f} / {single['p99_us']:.0f} µs",
        f"{shared['p50_us']:.0f} / {shared['p99_us']:.0f} µs",
        f"{measured['resident_before_kib'] / 1024:.1f} / {measured['resident_after_kib'] / 1024:.1f} MiB",
        size,
    ]
    return "| " + " | ".join(cells) + " |"


def _stripped(program: Path, folder: Path) -> str:
    copy = folder / program.name
    shutil.copy(program, copy)
    subprocess.run(["strip", str(copy)], check=True)
    return _mebibytes(copy.stat().st_size)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def training_rows(given: DividedData, folder: Path, epochs: int) -> Iterator[str]:
    """One line of the table for each side that trains."""
    recipe = RECIPES["reference"]
    split = write_split(folder / "split.json", given.data, recipe.val_fraction, recipe.seed)
    job = folder / "job.json"
    output = folder / "burn.safetensors"
    job.write_text(json.dumps({"split": str(folder / "split.json"), "output": str(output), "epochs": epochs + 1}))
    programs = build(BURN_CRATE)

    def by_torch(threads: int) -> list[float]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        train, validation = (
            ResidentSource.of(*given_rows(rows), torch.device("cpu")) for rows in (split.train, split.validation)
        )
        trainer = Trainer(recipe, train, validation)
        seconds = [_timed(trainer) for _ in range(epochs + 1)]
        torch.set_num_threads(before)
        return seconds

    def given_rows(rows: list[int]) -> tuple[Any, Any]:
        return given.data.features[np.array(rows)], given.data.labels[np.array(rows)]

    def by_burn() -> list[float]:
        lines = run_program(programs / "burn-character", "train", job)
        return [line["epoch"]["seconds"] for line in lines if "epoch" in line]

    found: dict[str, list[float]] = {}
    for _ in range(TURNS):
        found.setdefault("PyTorch, 1 thread", []).extend(by_torch(1)[1:])
        found.setdefault("PyTorch, 2 threads", []).extend(by_torch(2)[1:])
        found.setdefault("burn, 1 thread", []).extend(by_burn()[1:])
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        yield f"| {name} | {middle:.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s |"


def _timed(trainer: Trainer) -> float:
    start = time.perf_counter()
    trainer.train_epoch()
    return time.perf_counter() - start


def build_rows(folder: Path, run: Path) -> Iterator[str]:
    """One line of the table for each clean build."""
    model = (folder / "character_predictor.onnx").resolve()
    export_character(run, model)
    variables = {"CHARACTER_ONNX": str(model)}
    for name, crate, options in (
        ("the stand-in, with `ort`", CRATE, ()),
        ("burn", BURN_CRATE, ()),
        ("after it, the importer and what it makes", BURN_CRATE, ("--features", "onnx")),
    ):
        before = _cpu_seconds()
        build(crate, *options, target=folder / crate.name, variables=variables)
        yield f"| {name} | {_cpu_seconds() - before:.0f} s |"


def _cpu_seconds() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@subnormals_as_zero()
def main() -> int:
    """Prints the tables; 1 when there is nothing to measure or to measure with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", default=DEFAULT_RUN)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--builds", action="store_true")
    arguments = parser.parse_args()
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {os.uname().sysname}, torch {torch.__version__}\n")
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            if arguments.builds:
                print("| clean build | CPU time |\n|---|---|")
                for row in build_rows(folder, arguments.run):
                    print(row, flush=True)
                return 0
            given = data_of_run(load_checkpoint(arguments.run), None)
            print("| | load | one: p50 / p99 | two sharing: p50 / p99 | memory before / after | program |")
            print("|---|---|---|---|---|---|")
            for row in prediction_rows(arguments.run, folder, arguments.predictions):
                print(row, flush=True)
            print("\n| training, an epoch of 47 steps | median | least to most |\n|---|---|---|")
            for row in training_rows(given, folder, arguments.epochs):
                print(row, flush=True)
    except (StorytellerError, EngineError, DataGoneError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
