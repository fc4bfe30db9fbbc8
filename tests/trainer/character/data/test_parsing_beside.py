"""A small new file is parsed by another process, while this one does something else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from never import never
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data import dataset, parallel_parsing
from storyteller_trainer.character.data.parallel_parsing import parsing_beside
from storyteller_trainer.character.data.shards import load_shards

CACHE = Path("cache")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_a_small_file_is_parsed_beside_other_work(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_shards(files[:1], cache_dir=None)
    with parsing_beside(files[:1], CACHE):
        pass
    monkeypatch.setattr(dataset, "parse_line", never)
    monkeypatch.setattr(subprocess, "Popen", never)
    assert load_shards(files[:1], CACHE, never).content_hash == expected.content_hash
    with parsing_beside(files[:1], CACHE):  # there is nothing to be done any more
        pass


@pytest.mark.parametrize("reason", ["several", "large", "one core"])
def test_what_other_processes_are_not_worth_or_do_later(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1 if reason == "one core" else 2)
    monkeypatch.setattr(parallel_parsing, "LARGE", 1 if reason == "large" else 1_000_000)
    monkeypatch.setattr(subprocess, "Popen", never)
    with parsing_beside(files if reason == "several" else files[:1], CACHE):
        pass
    assert not CACHE.exists()


def test_a_fault_found_beside_other_work_is_told_afterwards(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    files[0].write_text(files[0].read_text() + "{}\n")
    with parsing_beside(files[:1], CACHE):
        pass
    with pytest.raises(StorytellerError, match=r"a\.jsonl: line 21: "):
        load_shards(files[:1], CACHE)


def test_other_work_that_ends_early_leaves_no_process_and_nothing_half_done(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    begin = parallel_parsing.start

    def remember(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(begin(command))
        return started[-1]

    monkeypatch.setattr(parallel_parsing, "start", remember)
    with pytest.raises(KeyboardInterrupt), parsing_beside(files[:1], CACHE):
        raise KeyboardInterrupt
    assert started[0].returncode is not None
    assert not [*CACHE.rglob("*.tmp*")]
