"""A folder belongs to one run at a time, for as long as its process lives."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs.claim import claimed

FOLDER = Path("some/run")
OTHER = """
import time
from pathlib import Path
from storyteller_trainer.runs.claim import claimed
with claimed(Path("some/run")):
    print("claimed", flush=True)
    time.sleep(600)
"""


def test_a_claim_ends_with_its_block_and_leaves_nothing() -> None:
    for _ in range(2):
        with (
            claimed(FOLDER),
            pytest.raises(StorytellerError, match=r"^some/run: another run is at work"),
            claimed(FOLDER),
        ):
            pass
        assert not FOLDER.exists(), "it was made for the claim, and nothing came of it"


@pytest.mark.parametrize("content", [["run.json"], []], ids=["of a run", "empty"])
def test_a_folder_that_was_there_stays(content: list[str]) -> None:
    FOLDER.mkdir(parents=True)
    for name in content:
        (FOLDER / name).touch()
    with claimed(FOLDER):
        pass
    assert [file.name for file in FOLDER.iterdir()] == content


def test_a_folder_that_holds_something_by_now_stays() -> None:
    with claimed(FOLDER):
        (FOLDER / "run.json").touch()
    assert (FOLDER / "run.json").exists()


def test_a_killed_process_claims_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", OTHER], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(StorytellerError, match="give --output-dir another one"), claimed(FOLDER):
            pass
        other.kill()
        other.wait()
        with claimed(FOLDER):
            pass


def test_a_file_system_without_locks_is_used_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with claimed(FOLDER), claimed(FOLDER):
        pass


def test_a_folder_that_cannot_be_made() -> None:
    Path("some").write_text("a file")
    with pytest.raises(StorytellerError, match=r"^some/run: cannot write here: Not a directory"), claimed(FOLDER):
        pass
