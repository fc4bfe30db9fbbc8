"""The cache of parsed files: used when it can be trusted, made again when it cannot, never in the way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_disk import at_every_write
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data import cache as cache_module
from storyteller_trainer.character.data import dataset
from storyteller_trainer.character.data.cache import Cache
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.reading.jsonl import sha256

Records = Callable[..., list[dict[str, Any]]]
Write = Callable[[Path, list[dict[str, Any]]], Path]

LONG_AGO = time.time() - 1000


class Work:
    """Counts how often a file is parsed and hashed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parsed = self.hashed = 0
        read_chunks = dataset.read_chunks

        def counting_read(*args: Any) -> Any:
            self.parsed += 1
            return read_chunks(*args)

        def counting_hash(path: Path) -> str:
            self.hashed += 1
            return sha256(path)

        monkeypatch.setattr(dataset, "read_chunks", counting_read)
        monkeypatch.setattr(cache_module, "sha256", counting_hash)

    def load(self, path: Path) -> tuple[CharacterDataset, int, int]:
        """The data, and how often it was parsed and hashed for it."""
        self.parsed = self.hashed = 0
        data = load_dataset(path, Path("cache"))
        return data, self.parsed, self.hashed


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.fixture
def path(tmp_path: Path, records: Records, write: Write) -> Path:
    """A small sound file that was last modified some time ago."""
    made = write(tmp_path / "a.jsonl", records(12, cells=3))
    os.utime(made, (LONG_AGO, LONG_AGO))
    time.sleep(0.03)  # longer than the steps of the system's clock: see CHANGE_RACY_NS
    return made


def entry() -> Path:
    """The one entry of the cache."""
    (found,) = (folder for folder in Path("cache").iterdir() if folder.name != "stat")
    return found


def test_a_second_start_neither_parses_nor_hashes(path: Path, work: Work) -> None:
    first, *effort = work.load(path)
    assert effort == [1, 1]
    second, *effort = work.load(path)
    assert effort == [0, 0]
    for name in ("features", "labels", "cells"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name))
    assert isinstance(second.features, np.memmap)
    assert not second.features.flags.writeable
    assert (second.cell_names, second.content_hash, second.duplicates) == (
        first.cell_names,
        first.content_hash,
        first.duplicates,
    )


def test_a_changed_file_is_noticed(path: Path, work: Work, records: Records, write: Write) -> None:
    before, *_ = work.load(path)
    write(path, records(12, cells=3, seed=1))
    os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    after, *effort = work.load(path)
    assert effort == [1, 1]
    assert not np.array_equal(before.features, after.features)


def test_a_file_put_in_place_of_another_is_noticed(path: Path, work: Work, records: Records, write: Write) -> None:
    work.load(path)
    content = path.read_bytes()
    at = content.index(b'"rivals"')
    other = path.with_name("other")
    other.write_bytes(content[:at] + b'"wooers"' + content[at + 8 :])
    os.utime(other, (LONG_AGO, LONG_AGO))
    other.replace(path)
    assert path.stat().st_size == len(content)
    data, *effort = work.load(path)
    assert effort == [1, 1]
    assert "wooers" in {cell.dynamic for cell in data.cell_names}


def test_a_copy_with_the_old_times_is_noticed(path: Path, work: Work) -> None:
    """As `cp -p` makes it: the same size, time of modification and inode, other content."""
    work.load(path)
    content, before = path.read_bytes(), path.stat()
    at = content.index(b'"rivals"')
    path.write_bytes(content[:at] + b'"wooers"' + content[at + 8 :])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    data, *effort = work.load(path)
    assert effort == [1, 1]
    assert "wooers" in {cell.dynamic for cell in data.cell_names}
    assert data.content_hash == sha256(path)


def test_what_a_kill_left_in_the_cache_is_swept_even_when_nothing_is_stored(path: Path, work: Work) -> None:
    work.load(path)
    for name in (f".{'0' * 64}.12345678.part", "stat/.x.json.12345678.part"):
        (Path("cache") / name).mkdir()
        (Path("cache") / name / "features.npy").write_bytes(b"half")
    _, *effort = work.load(path)
    assert effort == [0, 0]
    assert not [found for found in Path("cache").rglob("*") if found.name.endswith(".part")]


def test_a_file_just_written_is_hashed_again_but_not_parsed(path: Path, work: Work) -> None:
    os.utime(path)
    work.load(path)
    _, *effort = work.load(path)
    assert effort == [0, 1]


def test_a_change_within_the_tick_of_the_clock_is_noticed(path: Path, work: Work) -> None:
    os.utime(path)
    stamp = path.stat()
    work.load(path)
    content = path.read_bytes()
    at = content.index(b'"rivals"')
    path.write_bytes(content[:at] + b'"wooers"' + content[at + 8 :])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # size, time and inode are as before
    data, *effort = work.load(path)
    assert effort == [1, 1]
    assert "wooers" in {cell.dynamic for cell in data.cell_names}


def test_a_copy_elsewhere_shares_the_entry(path: Path, work: Work) -> None:
    work.load(path)
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(path.read_bytes())
    _, *effort = work.load(copy)
    assert effort == [0, 1]


def damage_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("{")


def remove_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


def cut_array(folder: Path) -> None:
    array = folder / "features.npy"
    array.write_bytes(array.read_bytes()[:-1000])


def flip_array(folder: Path) -> None:
    array = folder / "features.npy"
    array.write_bytes(array.read_bytes()[:-1000] + bytes(1000))


def remove_array(folder: Path) -> None:
    (folder / "labels.npy").unlink()


def empty_entry(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def other_fingerprint(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"schema_fingerprint": "0" * 64}))


def other_format(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"format": 0}))


@pytest.mark.parametrize(
    "damage",
    [
        damage_meta,
        remove_meta,
        cut_array,
        flip_array,
        remove_array,
        empty_entry,
        other_fingerprint,
        other_format,
    ],
)
def test_an_entry_that_cannot_be_trusted_is_made_again(path: Path, work: Work, damage: Callable[[Path], None]) -> None:
    first, *_ = work.load(path)
    features = np.array(first.features)
    del first
    damage(entry())
    second, *effort = work.load(path)
    assert effort == [1, 0]
    np.testing.assert_array_equal(second.features, features)
    _, *effort = work.load(path)
    assert effort == [0, 0]


def test_an_array_of_another_shape_is_not_trusted(path: Path, work: Work) -> None:
    first, *_ = work.load(path)
    file = entry() / "features.npy"
    np.save(file, np.zeros((12, 400), np.float32))
    meta = json.loads((entry() / "meta.json").read_text())
    meta["stamps"]["features"] = list(cache_module.stamp(file))
    (entry() / "meta.json").write_text(json.dumps(meta))
    assert Cache(Path("cache")).load(first.content_hash) is None


def test_pickled_arrays_are_not_opened(path: Path, work: Work) -> None:
    first, *_ = work.load(path)
    arrays = Cache(Path("cache")).load(first.content_hash)
    assert arrays
    file = entry() / "cells.npy"
    np.save(file, np.array([object()] * 12), allow_pickle=True)
    meta = json.loads((entry() / "meta.json").read_text())
    meta["stamps"]["cells"] = list(cache_module.stamp(file))
    (entry() / "meta.json").write_text(json.dumps(meta))
    assert Cache(Path("cache")).load(first.content_hash) is None


def test_a_full_disk_at_any_write_is_told_and_not_fatal(path: Path) -> None:
    loaded: list[CharacterDataset] = []

    def work() -> None:
        loaded.append(load_dataset(path, Path("cache")))
        if loaded[-1].notices:
            raise StorytellerError(*loaded[-1].notices)

    def check(number: int, error: Exception) -> None:
        assert len(loaded[-1]) == 12
        assert str(error).startswith("cache: the parsed data cannot be kept for the next start (cache/")
        assert "No space left on device" in str(error)
        assert {found.name for found in Path("cache").iterdir()} <= {"stat"}

    assert at_every_write(work, check) > 5
    assert len(loaded[-1]) == 12


def test_a_cache_that_cannot_be_written_is_told_and_not_fatal(path: Path, work: Work) -> None:
    Path("cache").write_text("a file where the folder should be")
    data, *_ = work.load(path)
    assert len(data) == 12
    assert len(data.notices) == 1
    assert data.notices[0].startswith("cache: the parsed data cannot be kept for the next start")


def test_no_cache_at_all(path: Path) -> None:
    load_dataset(path, cache_dir=None)
    assert [file.name for file in path.parent.iterdir()] == ["a.jsonl"]
