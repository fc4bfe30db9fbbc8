"""Kills commands at random moments, and runs them again.

    python tests/fuzz/fuzz_kills.py --count 200 --seed 1

Each time one command is started in a folder of its own, every second time where an earlier result lies, and killed
(SIGKILL) at a random moment of its work. What lies there then is whole: the earlier file, or the new one. The command
is started again, with `--resume` where an epoch was complete: it ends with 0 and comes to what a run that nobody killed
comes to, to the byte, and nothing is left under a temporary name.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fuzzing import Case, Outcome, fuzz
from started import SAME_AGAIN, Call, Workshop, ill_said, left, mixed, results, torn

OLD = b"{}\n"
#: Of an epoch that is complete.
EPOCH = re.compile(r"^epoch \d+/", re.MULTILINE)


@dataclass(frozen=True)
class Work:
    """A command that writes into the folder `out`."""

    call: Call
    #: What lies there before, every second time; a training is then started anew.
    earlier: str
    #: Whether it trains, and `--resume` goes on with what was complete.
    trains: bool = False


CHARACTER = ("character.jsonl", "-o", "out", "--epochs", "8", "--cache-dir", "out/cache", *SAME_AGAIN)
EVENTS = ("events.jsonl", "-o", "out", "--encoder", "encoder", "--epochs", "4", *SAME_AGAIN)
WORKS = {
    "character data": Work(
        Call("generate-training-data", ("--examples", "5000", "--cells", "40", "-o", "out/c.jsonl")), ""
    ),
    "event data": Work(Call("generate-event-data", ("--per-kind", "300", "-o", "out/e.jsonl")), ""),
    "character training": Work(Call("train-character-model", CHARACTER), "character-2", trains=True),
    "event training": Work(Call("train-event-classifier", EVENTS), "events-2", trains=True),
    "character export": Work(Call("export-character-model", ("character-2", "--models", "out")), "models"),
    "event export": Work(Call("export-event-classifier", ("events-2", "--models", "out")), "models"),
    "promotion": Work(Call("promote-model", ("character-2", "--models", "out", "--margin", "9")), "models"),
}


def make(rng: random.Random) -> Case:
    """One kill of one command."""
    name, earlier = rng.choice(list(WORKS)), rng.random() < 0.5
    share = rng.random()
    where = "over an earlier result" if earlier else "in an empty folder"
    steps = (name, f"killed after {share:.0%} of its time", where)
    return Case(steps, lambda: killed(name, share, earlier=earlier))


def killed(name: str, share: float, *, earlier: bool) -> Outcome:
    """What is wrong after a kill and after another run."""
    usual, expected = undisturbed(name)
    work, out = WORKS[name], begin(name, earlier=earlier)
    before = results(out)
    running = SHOP.start(work.call)
    time.sleep(share * usual)
    running.kill()
    code, told = running.wait()
    if code != -signal.SIGKILL:
        return Outcome(f"{name} done before", told, "; ".join(ill_said(work.call, code, told)))
    wrong = [f"after the kill {one}" for one in lost(name, told, before)]
    goes_on = work.trains and not earlier and any(out.rglob("last.safetensors"))
    again = Call(work.call.command, (*work.call.arguments, *(["--resume"] if goes_on else [])))
    code, told = SHOP.start(again).wait()
    wrong += ill_said(again, code, told)
    if code:
        wrong.append(f"the next run ended with {code}")
    elif differing := [file for file, content in expected.items() if results(out).get(file) != content]:
        wrong.append(f"the next run came to another {differing[0]}")
    wrong += [*torn(out), *mixed(out), *left(out), *left(SHOP.temporary)]
    return Outcome(f"{name} killed{', resumed' if goes_on else ''}", told, "; ".join(wrong))


def begin(name: str, *, earlier: bool) -> Path:
    """A new folder with what every command needs, and perhaps an earlier result; where the command writes to."""
    SHOP.clear()
    out, source = SHOP.folder / "out", WORKS[name].earlier
    if earlier and source:
        shutil.copytree(SHOP.prepared / source, out)
    else:
        out.mkdir()
        for file in undisturbed(name)[1] if earlier else ():
            (out / file).write_bytes(OLD)
    return out


def lost(name: str, told: str, before: dict[str, object]) -> list[str]:
    """What a kill has spoilt of what was whole, or was said to be complete."""
    out = SHOP.folder / "out"
    wrong = torn(out)
    if wrong:
        return wrong
    now = results(out)
    if WORKS[name].trains:
        complete = len(EPOCH.findall(told))
        lines = sum(len(path.read_bytes().splitlines()) for path in out.rglob("history.jsonl"))
        return [f"{complete} epochs were told, and {lines} are kept"] if lines < complete else []
    for file, new in undisturbed(name)[1].items():
        if now.get(file) not in (before.get(file), new):
            wrong.append(f"{file} is neither the old one nor the new one")
    return wrong


@cache
def undisturbed(name: str) -> tuple[float, dict[str, object]]:
    """How many seconds a command takes, and what it comes to, when nobody kills it.

    The second time counts: by then all is imported.

    Raises:
        SystemExit: it does not come to the same twice.
    """
    found: list[dict[str, object]] = []
    for _ in range(2):
        SHOP.clear()
        (SHOP.folder / "out").mkdir()
        start = time.monotonic()
        code, told = SHOP.start(WORKS[name].call).wait()
        found.append(results(SHOP.folder / "out"))
        if code or found[0] != found[-1]:
            raise SystemExit(f"{name} ended with {code}, and nobody killed it: {told}")
    return time.monotonic() - start, found[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        SHOP = Workshop(Path(made))
        sys.exit(fuzz(__doc__ or "", make, 200))
