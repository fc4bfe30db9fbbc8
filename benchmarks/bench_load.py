"""How fast a training file is read, beside two ways that check nothing, as a table.

    python benchmarks/bench_load.py DATA [--repeats 5]

- `json.loads`: the text of every line to Python objects, which are dropped;
- the reference's way: `json.loads`, and two tensors of every line;
- parsed: `parse_line` on every line, which is what `load_dataset` does before the numeric rules and the cache: strict
  types and lengths, float32, the content hash;
- cold: `load_dataset` with an empty cache: every line checked, hashes compared, arrays written to the cache;
- warm: `load_dataset` once more.

The ways take turns, and the median of the repeats counts. Wall and CPU seconds: on a busy machine believe the latter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.line_parser import parse_line


def json_lines(path: Path) -> None:
    """Parses every line and keeps nothing."""
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def reference_rows(path: Path) -> None:
    """Two tensors of every line, as the reference's Dataset keeps them."""
    rows = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            rows.append((torch.tensor(record["features"]), torch.tensor(record["labels"])))


def parsed_lines(path: Path) -> None:
    """The strict parser on every line, and nothing kept."""
    with path.open("rb") as file:
        for line in file:
            parse_line(line)


def measure(path: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Way to the medians of its `wall` and `cpu` seconds."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for way, read in _ways(path):
            wall, cpu = time.perf_counter(), time.process_time()
            read()
            times.setdefault(way, []).append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        way: {"wall": statistics.median(wall for wall, _ in of_way), "cpu": statistics.median(cpu for _, cpu in of_way)}
        for way, of_way in times.items()
    }


def _ways(path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "json.loads", lambda: json_lines(path)
    yield "reference", lambda: reference_rows(path)
    yield "parsed", lambda: parsed_lines(path)
    with tempfile.TemporaryDirectory() as cache:
        yield "cold", lambda: load_dataset(path, Path(cache))
        yield "warm", lambda: load_dataset(path, Path(cache))


def table(measured: dict[str, dict[str, float]]) -> Table:
    """Seconds, and how many times faster than each of the two ways without checks."""
    shown = Table("way", title="reading a training file", title_justify="left")
    for heading in ("wall s", "CPU s", "x json.loads", "x reference"):
        shown.add_column(heading, justify="right")
    for way, seconds in measured.items():
        ratios = (measured[base]["wall"] / seconds["wall"] for base in ("json.loads", "reference"))
        shown.add_row(way, f"{seconds['wall']:.4f}", f"{seconds['cpu']:.4f}", *(f"{ratio:.1f}" for ratio in ratios))
    return shown


def main() -> None:
    """Measures one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the seconds to this file")
    options = parser.parse_args()
    measured = measure(options.data, options.repeats)
    if options.json:
        options.json.write_text(json.dumps(measured))
    Console().print(table(measured))


if __name__ == "__main__":
    main()
