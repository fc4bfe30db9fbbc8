"""How loading and training grow with the data: from thousands of examples to millions, as a Markdown table.

    python benchmarks/bench_scale.py                               # 15,000 to 2,000,000; a quarter of an hour, 12 GB
    python benchmarks/bench_scale.py --sizes 3000 6000 --shard 3000  # a quick look

Every size is made as JSONL files of at most --shard examples and then, each in a process of its own, loaded with an
empty cache, loaded again, and trained for one epoch by the default recipe: from memory and from the files of the cache.
Memory is the most that was ever resident of the process, mapped files included; the rate is that of the whole loop,
validation and checkpoints included. The files that a size was made of are deleted before the next one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_log import peak_memory, read_events
from bench_machine import fix_threads
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.settings import ARTIFACTS

RESULTS = ARTIFACTS / "bench_scale.json"
SCRIPTS = Path(__file__).parent
#: Bytes for --memory-limit: everything from files, and everything in memory.
FILES, MEMORY = 0, 1 << 40


def load(data: Path, cache: Path) -> dict[str, float]:
    """Seconds and peak bytes of loading a folder, in this process."""
    from storyteller_trainer.character.data.data_files import find_shards
    from storyteller_trainer.character.data.shards import load_shards

    start = time.perf_counter()
    found = load_shards(find_shards([data]), cache)
    return {"seconds": time.perf_counter() - start, "peak_bytes": peak_memory(), "examples": len(found)}


def measure(examples: int, shard: int, folder: Path) -> dict[str, Any]:
    """One size.

    Raises:
        StorytellerError: a step failed.
    """
    from bench import summarise

    data, cache, log = folder / "data", folder / "cache", folder / "log.jsonl"
    data.mkdir()
    make = Path(sys.executable).parent / "generate-training-data"
    start = time.perf_counter()
    for number, first in enumerate(range(0, examples, shard)):
        count = min(shard, examples - first)
        file = data / f"shard-{number}.jsonl"
        _run([make, "--examples", count, "--seed", number, "-o", file])
    result: dict[str, Any] = {
        "examples": examples,
        "bytes": sum(file.stat().st_size for file in data.glob("*.jsonl")),
        "generate_s": time.perf_counter() - start,
    }
    for way in ("cold", "warm"):
        result[way] = json.loads(_run([sys.executable, __file__, "--load", data, "--cache", cache]))
    for way, limit in (("files", FILES), ("memory", MEMORY)):
        _say(f"{examples:,} examples: one epoch from {way}")
        start = time.time()
        _run(
            [
                *(sys.executable, SCRIPTS / "bench_ours.py", log, data, "--cache-dir", cache, "--epochs", 1),
                *("--output-dir", folder / way, "--memory-limit", limit),
            ]
        )
        training = json.loads((folder / way / "run.json").read_text())["data"]["train_examples"]
        result[way] = summarise(read_events(log), start, time.time(), training)
    return result


def _run(command: list[object]) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StorytellerError(f"exit code {done.returncode} of {' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def table(results: list[dict[str, Any]]) -> str:
    """A row a size."""
    lines = [
        "| examples | JSONL | first load | its memory | later load | its memory | examples/s from memory | its memory "
        "| examples/s from files | its memory | ratio |",
        "|---:" * 11 + "|",
    ]
    for result in results:
        cells = [f"{result['examples']:,}", f"{result['bytes'] / 1e6:,.0f} MB"]
        for way in ("cold", "warm"):
            cells += [f"{result[way]['seconds']:.2f} s", _mib(result[way])]
        for way in ("memory", "files"):
            cells += [f"{result[way]['examples_per_s']:,.0f}", _mib(result[way])]
        cells.append(f"{result['files']['examples_per_s'] / result['memory']['examples_per_s']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _mib(of: dict[str, Any]) -> str:
    return f"{of['peak_bytes'] / 2**20:,.0f} MiB"


def main() -> None:
    """Measures every size, and keeps what is done after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[15_000, 150_000, 600_000, 2_000_000])
    parser.add_argument("--shard", type=int, default=100_000, help="examples in a file, at most [%(default)s]")
    parser.add_argument("--folder", type=Path, help="where the data is made, for a disk that has room for it")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(load(options.load, options.cache)))
        return
    fix_threads()
    results = []
    try:
        for examples in options.sizes:
            _say(f"{examples:,} examples: making and loading them")
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                results.append(measure(examples, options.shard, Path(folder)))
            write_atomic(options.output, json.dumps(results, indent=2) + "\n")
    except StorytellerError as error:
        sys.exit(f"error: {error}")
    print(table(results))


if __name__ == "__main__":
    main()
