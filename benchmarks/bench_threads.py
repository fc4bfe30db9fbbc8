"""How long training takes beside other work: by one thread, by all, and by as many as it chooses, as a Markdown table.

    .venv/bin/python benchmarks/bench_threads.py                                     # some 20 minutes on two cores
    .venv/bin/python benchmarks/bench_threads.py --loads 8 --repeats 1 --results FILE  # a piece of it

The other work is so many processes that do nothing but compute. Every round trains by each way, one after the other, in
a process of its own, and is appended to FILE as a JSON line; the table is made of all that stands there, so it can be
measured in pieces. Seconds are those in `run.json`, without the start of the process: the median over the rounds.

- one, all: by `--threads`, and as threads wait by themselves (libgomp's own number of spins);
- automatic: as it is shipped;
- surprised: by all, as a run does that began before the other work: waiting threads go to sleep as it is shipped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs.cpus import look_at_cpus

#: libgomp's number where neither GOMP_SPINCOUNT nor OMP_WAIT_POLICY is set.
OWN_SPINS = "300000"
WAYS = ("one", "all", "automatic", "surprised")
BIN = Path(sys.executable).parent
#: Set by those who run this, or by us: they would decide what is to be measured.
DECIDES = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}

#: Computes for as long as its parent, whose number it is given, is there, however that one ends.
BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): sum(range(10_000))"

Round = dict[str, Any]


@contextmanager
def other_work(processes: int) -> Iterator[None]:
    """Keeps so many processes computing."""
    working = [subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())]) for _ in range(processes)]
    time.sleep(0.5 if working else 0)  # until they do
    try:
        yield
    finally:
        for process in working:
            process.kill()
            process.wait()


def measure(task: str, data: Path, epochs: int, load: int, cpus: int, limit: float) -> Round:
    """One round.

    Raises:
        StorytellerError: a training failed.
    """
    found: Round = {"task": task, "load": load, "epochs": epochs}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            with other_work(load):
                found[way], found[f"{way}_threads"] = _train(task, data, epochs, way, cpus, Path(folder) / way, limit)
    return found


def _train(
    task: str, data: Path, epochs: int, way: str, cpus: int, folder: Path, limit: float
) -> tuple[float, int | None]:
    """Seconds in the loop and threads; the limit and None where it is stopped because it takes as long as that."""
    threads = {"one": "1", "automatic": "auto"}.get(way, str(cpus))
    environment = {name: value for name, value in os.environ.items() if name not in DECIDES}
    if way in ("one", "all"):
        environment["GOMP_SPINCOUNT"] = OWN_SPINS
    command = ["train-character-model"] if task == "character" else ["train-event-classifier", "--task", "event"]
    words = [
        BIN / command[0],
        *command[1:],
        data,
        "--device",
        "cpu",
        "--epochs",
        epochs,
        "--threads",
        threads,
        "--output-dir",
        folder,
    ]
    try:
        done = subprocess.run(
            [str(word) for word in words], env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return limit, None
    if done.returncode:
        raise StorytellerError(f"exit code {done.returncode} of {' '.join(map(str, words))}\n{done.stderr}")
    run = json.loads((folder / ("" if task == "character" else "event") / "run.json").read_text())
    return run["seconds"], run["threads"]


def table(rounds: Sequence[Round]) -> str:
    """A row a task and load. The ratio is the median of the rounds': a machine that wavers slows a whole round."""
    lines = [
        "| training | other processes | one thread | all threads | automatic | its threads | against the better one "
        "| all threads, surprised |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for task, load, epochs in dict.fromkeys((each["task"], each["load"], each["epochs"]) for each in rounds):
        same = [each for each in rounds if (each["task"], each["load"], each["epochs"]) == (task, load, epochs)]
        ratio = statistics.median(each["automatic"] / min(each["one"], each["all"]) for each in same)
        chosen = sorted({str(each["automatic_threads"]) for each in same})
        one, all_threads, automatic, surprised = (_seconds(same, way) for way in WAYS)
        name = f"{task}, {epochs} epoch{'s' if epochs > 1 else ''}"
        cells = (name, load, one, all_threads, automatic, " or ".join(chosen), f"{ratio:.2f}", surprised)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _seconds(rounds: Sequence[Round], way: str) -> str:
    """The median; of runs that were stopped it is known that it is more."""
    stopped = [each for each in rounds if each[f"{way}_threads"] is None]
    median = statistics.median(each[way] for each in rounds)
    return f"over {median:.0f} s" if 2 * len(stopped) >= len(rounds) else f"{median:.1f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what is asked for, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=["character", "event"], default=["character", "event"])
    parser.add_argument(
        "--loads", nargs="+", type=int, default=[0, 2, 8], help="numbers of other processes %(default)s"
    )
    parser.add_argument("--repeats", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--epochs", type=int, default=4, help="of the character model; one of the other [%(default)s]")
    parser.add_argument("--examples", type=int, default=15_000, help="for the character model [%(default)s]")
    parser.add_argument("--sentences", type=int, default=400, help="for the event classifier [%(default)s]")
    parser.add_argument("--limit", type=float, default=60, help="seconds after which a run is stopped [%(default)s]")
    parser.add_argument("--results", type=Path, help="where rounds are kept; without it, only these are shown")
    options = parser.parse_args(arguments)
    rounds = []
    if options.results and options.results.exists():
        rounds = [json.loads(line) for line in options.results.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        try:
            data = {task: _make(task, Path(folder), options) for task in options.tasks}
            cpus = int((look := look_at_cpus()).cpus)
            if look.threads < cpus:
                print(f"note: something else is at work here: {look}", file=sys.stderr)
            for number in range(options.repeats):
                for task in options.tasks:
                    for load in options.loads:
                        epochs = options.epochs if task == "character" else 1
                        rounds.append(measure(task, data[task], epochs, load, cpus, options.limit))
                        print(f"{time.strftime('%H:%M:%S')} {number + 1}: {rounds[-1]}", file=sys.stderr)
                        if options.results:
                            with options.results.open("a") as file:
                                print(json.dumps(rounds[-1]), file=file)
        except StorytellerError as error:
            sys.exit(f"error: {error}")
    print(table(rounds))


def _make(task: str, folder: Path, options: argparse.Namespace) -> Path:
    """The training data."""
    path = folder / f"{task}.jsonl"
    if task == "character":
        command = ["generate-training-data", "--examples", options.examples]
    else:
        command = ["generate-event-data", "--per-kind", max(1, options.sentences // 8)]
    words = [str(word) for word in (BIN / command[0], *command[1:], "--output", path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StorytellerError(f"exit code {done.returncode} of {' '.join(words)}\n{done.stderr}")
    return path


if __name__ == "__main__":
    main()
