"""What the engine feels of the exported character model: Rust (rust/engine) beside Python, as a table.

    python benchmarks/bench_engine.py [MODEL] [--predictions 100000]

MODEL is `character_predictor.onnx`, by default the one in STORYTELLER_MODEL_PATH or artifacts/models. Both sides load
it with one intra-op thread into the same ONNX Runtime, predict one example at a time, and then once more from two
threads that share the session behind a lock. Times include what the caller does around the call: making the tensor,
joining the four heads. Needs cargo.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rust_engine import EngineError, build, run_engine
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.settings import load_env, model_path
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import HEADS

#: Seconds, one for each prediction.
Times = NDArray[np.float64]


def measure_python(model: Path, predictions: int) -> dict[str, Any]:
    """The same measurements as the Rust program's, in the same units."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - start
    lock = threading.Lock()
    columns = np.arange(FEATURES.size)

    def predict(times: Times) -> None:
        for index in range(len(times)):
            features = ((index * 31 + columns * 17) % 100 / 100).astype(np.float32)
            start = time.perf_counter()
            with lock:
                np.concatenate(session.run(list(HEADS), {"features": features[None]}), axis=1)
            times[index] = time.perf_counter() - start

    times = np.ones(predictions)  # written to, so that its memory counts before the run and not as growth
    predict(times[:1000])
    before = _resident_kib()
    single = _latency(times, 1, predict)
    shared = _latency(times, 2, predict)
    return {
        "load_us": load * 1e6,
        "single": single,
        "shared_by_two": shared,
        "resident_before_kib": before,
        "resident_after_kib": _resident_kib(),
    }


def _latency(times: Times, threads: int, predict: Callable[[Times], None]) -> dict[str, float]:
    """Fills `times` from several threads at once, a share each; in microseconds."""
    workers = [threading.Thread(target=predict, args=(share,)) for share in np.array_split(times, threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    total = time.perf_counter() - start
    p50, p99 = np.quantile(times * 1e6, [0.5, 0.99])
    return {"p50_us": float(p50), "p99_us": float(p99), "per_second": len(times) / total}


def _resident_kib() -> int:
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(done.stdout)


def _row(name: str, measured: dict[str, Any]) -> str:
    single, shared = measured["single"], measured["shared_by_two"]
    before, after = measured["resident_before_kib"] / 1024, measured["resident_after_kib"] / 1024
    cells = [
        name,
        f"{measured['load_us'] / 1000:.1f} ms",
        f"{single['p50_us']:.0f} / {single['p99_us']:.0f} µs",
        f"{single['per_second']:,.0f}",
        f"{shared['p50_us']:.0f} / {shared['p99_us']:.0f} µs",
        f"{shared['per_second']:,.0f}",
        f"{before:.1f} / {after:.1f} MiB",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Prints the table; 1 when there is nothing to measure or to measure with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--predictions", type=int, default=100_000)
    arguments = parser.parse_args()
    load_env()
    try:
        model = (arguments.model or model_path() / "character_predictor.onnx").resolve()
        if not model.is_file():
            raise StorytellerError(f"{model}: no such file; `make export` writes it")
        [rust] = run_engine(build(), "bench", model, str(arguments.predictions))
    except (StorytellerError, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    python = measure_python(model, arguments.predictions)
    print(f"{arguments.predictions:,} predictions each, {platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"ONNX Runtime {onnxruntime.__version__}, Python {platform.python_version()}\n")
    print("| | load | one: p50 / p99 | a second | two sharing: p50 / p99 | a second | memory before / after |")
    print("|---|---|---|---|---|---|---|")
    print(_row("Rust", rust))
    print(_row("Python", python))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
