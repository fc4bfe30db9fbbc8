"""Several files are parsed side by side, and a large one in pieces; nobody notices but by the time it takes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from never import never
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import CannotWriteError
from storyteller_trainer.character.data import dataset, parallel_parsing
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.parallel_parsing import fill_cache
from storyteller_trainer.character.data.shards import load_shards
from storyteller_trainer.reading.jsonl import MAX_LINE

CACHE = Path("cache")
Records = Callable[..., list[dict[str, Any]]]
Write = Callable[[Path, list[dict[str, Any]]], Path]


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
    assert told == ["Parsing 3 files by 2 processes (0 MB); the next start finds the result in cache"]

    monkeypatch.setattr(subprocess, "Popen", never)
    load_shards(files, CACHE, never)
    load_shards(files[:2], CACHE, never)


def test_one_core_takes_no_other_process(files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(subprocess, "Popen", never)
    assert len(load_shards(files[:1], CACHE, told.append)) == 20
    assert told == ["Parsing a.jsonl (0 MB); the next start finds the result in cache"]


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


@pytest.mark.parametrize("count", [1, 3])
def test_ctrl_c_ends_the_processes_and_removes_what_they_wrote(
    count: int, files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start, sleep = parallel_parsing.start, time.sleep

    def remember(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(start(command))
        return started[-1]

    def press(seconds: float) -> None:
        if list(CACHE.rglob(".*/features.npy")):
            raise KeyboardInterrupt
        assert all(process.poll() is None for process in started), "too fast for this test"
        sleep(seconds)

    big = b"".join(file.read_bytes() for file in files) * 100
    for number, file in enumerate(files):
        file.write_bytes(big + b"\n" * number)
    monkeypatch.setattr(parallel_parsing, "start", remember)
    monkeypatch.setattr(time, "sleep", press)
    with pytest.raises(KeyboardInterrupt):
        fill_cache(files[:count], CACHE, told.append)
    # A process that had not yet come to parsing just ends.
    codes = [process.returncode for process in started]
    assert len(codes) == 2
    assert 1 in codes
    assert set(codes) <= {1, -signal.SIGTERM}
    assert not list(CACHE.glob(".*"))


def test_what_a_process_left_that_was_ended_too_early_to_clean_up_is_removed(
    files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = parallel_parsing.start

    def leave(command: list[str]) -> subprocess.Popen[bytes]:
        (CACHE / ".0123.abcdefgh.part").write_bytes(b"")
        return start(["sleep", "60"])

    def press(seconds: float) -> None:
        assert list(CACHE.glob(".0123.*"))
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel_parsing, "start", leave)
    monkeypatch.setattr(time, "sleep", press)
    with pytest.raises(KeyboardInterrupt):
        fill_cache(files, CACHE, told.append)
    assert not list(CACHE.glob(".*"))


# --- one file in pieces -----------------------------------------------------------------------------------------------


class Done:
    """A process that has ended."""

    def __init__(self, returncode: int) -> None:
        self.returncode = returncode

    def poll(self) -> int:
        return self.returncode

    wait = terminate = poll


@pytest.fixture
def pieces(told: list[str], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What processes are started with; their work is done in this one, which takes less time."""
    started: list[list[str]] = []

    def start(command: list[str]) -> Done:
        file, cache, *of_it = command[3:]
        started.append(of_it)
        try:
            parallel_parsing._main(Path(file), Path(cache), *of_it)
        except (StorytellerError, SystemExit):
            return Done(1)
        return Done(0)

    monkeypatch.setattr(parallel_parsing, "start", start)
    return started


def in_cache(cache: Path) -> dict[str, object]:
    """What is kept, apart from when; the notes that tell files by their times as well."""
    assert not list(cache.glob(".*")), "a piece was left"
    return {
        str(path.relative_to(cache)): {**json.loads(path.read_bytes()), "stamps": 0}
        if path.name == "meta.json"
        else path.read_bytes()
        for path in sorted(cache.rglob("*"))
        if path.is_file() and path.parent.name != "stat"
    }


def read_both_ways(file: Path) -> tuple[object, object]:
    """What one process makes of a file, and what several do: the data set and what is in the cache, or the error."""
    results: list[object] = []
    for cache, read in ((Path("one"), load_dataset), (CACHE, lambda *of_it: load_shards([of_it[0]], of_it[1]))):
        try:
            data = read(file, cache)
        except StorytellerError as error:
            assert not list(cache.glob(".*"))
            results.append(str(error))
        else:
            results.append((data.content_hash, data.duplicates, data.cell_names, data.ceiling, in_cache(cache)))
    return results[0], results[1]


WAYS: dict[str, Callable[[list[bytes]], bytes]] = {
    "plain": lambda lines: b"\n".join(lines) + b"\n",
    "without a last line end": lambda lines: b"\n".join(lines),
    "CRLF": lambda lines: b"\r\n".join(lines) + b"\r\n",
    "blank lines": lambda lines: b"\n \r\n\n".join(lines) + b"\n\n\t\n",
    "a byte order mark": lambda lines: b"\xef\xbb\xbf" + b"\n".join(lines) + b"\n",
    "duplicates": lambda lines: b"\n".join(lines * 2) + b"\n",
    "a line longer than a piece, in the middle": lambda lines: b"\n".join(
        [*lines[:9], lines[9] + b" " * 500_000, *lines[10:]]
    ),
    "a line longer than a piece, first": lambda lines: b"\n".join([lines[0] + b" " * 500_000, *lines[1:]]),
    "a line longer than a piece, last": lambda lines: b"\n".join([*lines, lines[0] + b" " * 500_000]),
    "one line": lambda lines: lines[0] + b"\n",
}


@pytest.mark.parametrize("cores", [2, 3, 8])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_in_pieces_is_the_file(
    way: str, cores: int, tmp_path: Path, records: Records, pieces: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    file = tmp_path / "a.jsonl"
    file.write_bytes(WAYS[way]([json.dumps(record).encode() for record in records(21, cells=4)]))
    one, several = read_both_ways(file)
    assert several == one
    assert isinstance(one, tuple), one
    # Where no line ends in the second half, there is but one piece, which is no work for other processes.
    assert len(pieces) == cores or (way.startswith(("a line", "one")) and len(pieces) < cores)


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "not JSON": lambda line: line[:-1],
    "a wrong hash": lambda line: line.replace(b'"content_hash": "', b'"content_hash": "0'),
    "a wrong length": lambda line: line.replace(b'"features": [', b'"features": [0, '),
    "a rule": lambda line: re.sub(rb'"content_hash": "\w+"', b'"content_hash": null', line).replace(
        b'"labels": [0.0, ', b'"labels": [2.0, '
    ),
    "no UTF-8": lambda line: line.replace(b"feast", b"\xff"),
    "a byte order mark": lambda line: b"\xef\xbb\xbf" + line,
    "gzip": lambda line: b"\x1f\x8b" + line,
    "too long": lambda line: line + b" " * MAX_LINE,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_near_a_cut_is_told_as_by_one_process(
    fault: str, tmp_path: Path, records: Records, pieces: list[list[str]]
) -> None:
    made = records(8, cells=4)
    for record in made:
        record["labels"][:6] = [0.0] * 5 + [1.0]
        values = np.array(record["features"] + record["labels"], np.float32)
        record["content_hash"] = hashlib.sha256(values.tobytes()).hexdigest()
    lines = [json.dumps(record).encode() for record in made]
    file = tmp_path / "a.jsonl"
    for places in [(0,), (3,), (4,), (5,), (7,), (4, 3), (6, 1)]:
        faulty = [FAULTS[fault](line) if number in places else line for number, line in enumerate(lines)]
        file.write_bytes(b"\n".join(faulty))
        one, several = read_both_ways(file)
        assert several == one
        if (fault, places) != ("a byte order mark", (0,)):
            assert isinstance(one, str), places


def test_a_file_of_blank_lines_is_told_as_by_one_process(tmp_path: Path, pieces: list[list[str]]) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n" * 100)
    one, several = read_both_ways(file)
    assert one == several == f"{file}: holds blank lines only; one JSON object a line is expected"


def test_blank_lines_as_long_as_a_piece_do_no_harm(
    tmp_path: Path, records: Records, write: Write, pieces: list[list[str]]
) -> None:
    file = write(tmp_path / "a.jsonl", records(4))
    file.write_bytes(file.read_bytes() + b"\n" * 100_000)
    one, several = read_both_ways(file)
    assert several == one
    assert isinstance(one, tuple), one


def test_gzip_is_not_cut(files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    packed = files[0].with_name("packed.jsonl")  # whatever its name is
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    monkeypatch.setattr(subprocess, "Popen", never)
    assert len(load_shards([packed], CACHE, told.append)) == 20
    assert told == ["Parsing packed.jsonl (0 MB); the next start finds the result in cache"]


def test_only_what_is_more_than_a_share_is_cut(
    files: list[Path], pieces: list[list[str]], records: Records, write: Write
) -> None:
    large = write(files[0].with_name("large.jsonl"), records(200, seed=9))
    assert len(load_shards([*files, large], CACHE)) == 260
    assert [bool(words) for words in pieces] == [False] * 3 + [True] * 2


def test_processes_parse_the_pieces(files: list[Path], told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_dataset(files[0], Path("one"))
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "parse_line", never)
        data = load_shards(files[:1], CACHE, told.append)
    assert told == ["Parsing a.jsonl by 2 processes (0 MB); the next start finds the result in cache"]
    assert data.content_hash == expected.content_hash
    assert in_cache(CACHE) == in_cache(Path("one"))


def test_a_file_that_changes_meanwhile_is_read_again(
    files: list[Path], pieces: list[list[str]], records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = parallel_parsing.start

    def change(command: list[str]) -> Any:
        with files[0].open("ab") as file:
            file.write(json.dumps(records(21)[20]).encode() + b"\n")
        return start(command)

    monkeypatch.setattr(parallel_parsing, "start", change)
    data = load_shards(files[:1], CACHE)
    assert len(pieces) == 2
    assert len(data) == 22
    assert data.content_hash == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert not list(CACHE.glob(".*"))


def test_a_piece_that_cannot_be_kept_leaves_the_file_to_the_parent(
    files: list[Path], pieces: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_parsing, "sound_chunks", lambda *_: fail())
    assert len(load_shards(files[:1], CACHE)) == 20
    assert pieces


def fail() -> Any:
    raise CannotWriteError(Path("cache"), OSError(28, "No space left on device"))
