"""Several files are parsed side by side, and nobody notices but by the time it takes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data import dataset, parallel_parsing
from storyteller_trainer.character.data.parallel_parsing import fill_cache
from storyteller_trainer.character.data.shards import load_shards

CACHE = Path("cache")
Records = Callable[..., list[dict[str, Any]]]
Write = Callable[[Path, list[dict[str, Any]]], Path]


def never(*args: Any, **options: Any) -> Any:
    raise AssertionError("not to be called")


@pytest.fixture
def files(tmp_path: Path, records: Records, write: Write) -> list[Path]:
    """Three files, older than the cache's doubts about fresh ones."""
    made = [write(tmp_path / f"{name}.jsonl", records(20, cells=4, seed=seed)) for seed, name in enumerate("abc")]
    for file in made:
        os.utime(file, (time.time() - 60,) * 2)
    return made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told, on a machine of two cores to which these small files are large ones."""
    monkeypatch.setattr(parallel_parsing, "LARGE", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return []


def test_the_parent_finds_all_files_parsed(files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_shards(files, cache_dir=None)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "parse_line", never)
        data = load_shards(files, CACHE, told.append)
    np.testing.assert_array_equal(np.asarray(data.features), np.asarray(expected.features))
    assert data.content_hash == expected.content_hash
    assert told == ["Parsing 3 files, 2 at a time (0 MB); the next start finds the result in cache"]

    monkeypatch.setattr(subprocess, "Popen", never)
    load_shards(files, CACHE, never)
    load_shards(files[:2], CACHE, never)


def test_one_new_file_takes_no_other_process(
    files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_shards(files[:2], CACHE)
    monkeypatch.setattr(subprocess, "Popen", never)
    assert len(load_shards(files, CACHE, told.append)) == 60
    assert told == ["Parsing c.jsonl (0 MB); the next start finds the result in cache"]


def test_little_data_takes_no_other_process(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", never)
    assert len(load_shards(files, CACHE, never)) == 60


def test_without_a_writable_cache_nothing_is_parsed_twice(
    files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    CACHE.write_text("no folder")
    monkeypatch.setattr(subprocess, "Popen", never)
    data = load_shards(files, CACHE, never)
    assert len(data) == 60
    assert "cannot be kept" in data.notices[0]


def test_a_fault_is_told_and_nothing_half_written_is_left(files: list[Path], told: list[str]) -> None:
    with files[2].open("ab") as file:
        file.write(b"oops\n")
    with pytest.raises(StorytellerError, match=r"c.jsonl: line 21: not JSON"):
        load_shards(files, CACHE, told.append)
    assert not list(CACHE.glob(".*"))


def test_a_file_that_is_not_there_is_told_before_any_is_parsed(files: list[Path], told: list[str]) -> None:
    with pytest.raises(StorytellerError, match=r"d.jsonl: no such file"):
        load_shards([*files, files[0].with_name("d.jsonl")], CACHE, told.append)
    assert not told


def test_a_process_that_dies_leaves_its_file_to_the_parent(
    files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_parsing, "MODULE", "no_such_module")
    assert len(load_shards(files, CACHE, told.append)) == 60


def test_ctrl_c_ends_the_processes_and_removes_what_they_wrote(
    files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start, sleep = parallel_parsing.start, time.sleep

    def remember(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(start(command))
        return started[-1]

    def press(seconds: float) -> None:
        if list(CACHE.glob(".*")):
            raise KeyboardInterrupt
        assert all(process.poll() is None for process in started), "too fast for this test"
        sleep(seconds)

    big = b"".join(file.read_bytes() for file in files) * 100
    for number, file in enumerate(files):
        file.write_bytes(big + b"\n" * number)
    monkeypatch.setattr(parallel_parsing, "start", remember)
    monkeypatch.setattr(time, "sleep", press)
    with pytest.raises(KeyboardInterrupt):
        fill_cache(files, CACHE, told.append)
    # A process that had not yet come to parsing just ends.
    codes = [process.returncode for process in started]
    assert len(codes) == 2
    assert 1 in codes
    assert set(codes) <= {1, -signal.SIGTERM}
    assert not list(CACHE.glob(".*"))
