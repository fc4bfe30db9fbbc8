"""The disk is full from some write of a training on: one message, nothing lost, and the next run works."""

from __future__ import annotations

import re
from pathlib import Path

from failing_disk import at_every_write
from run_kinds import RunKind
from storyteller_schema.common.errors import StorytellerError


def test_a_full_disk_at_any_write_of_a_training(kind: RunKind) -> None:
    kind.train("whole", epochs=2)
    kind.train("run", epochs=1)
    old = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    lost: list[int] = []

    def check(number: int, error: Exception) -> None:
        assert isinstance(error, StorytellerError), repr(error)
        told = str(error)
        assert re.match(r"^run/[\w.]+: cannot write here: No space left on device; make room there", told), told
        assert "\n" not in told
        left = {path.name for path in Path("run").iterdir()}
        assert left == set(old), "a temporary file stayed, or a file is gone"
        # What stands there is whole: the run before, or the new one after its last complete epoch.
        kind.load(Path("run"))
        kind.last("run")
        lost.append(number)

    assert at_every_write(lambda: kind.train("run", epochs=2), check) >= len(old)
    assert lost
    assert kind.results("run") == kind.results("whole")


def test_the_run_goes_on_where_the_disk_was_full(kind: RunKind) -> None:
    kind.train("whole", epochs=2)

    def check(number: int, error: Exception) -> None:
        assert isinstance(error, StorytellerError), repr(error)

    at_every_write(lambda: kind.train("run", resume=Path("run/last.safetensors").exists(), epochs=2), check)
    assert kind.results("run") == kind.results("whole")
