"""What training uses when the user names no data."""

from __future__ import annotations

from pathlib import Path

import pytest
from storyteller_trainer.sample import fallback


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (fallback.sample_character_file, Path("artifacts/data/character.jsonl")),
        (fallback.sample_event_file, Path("artifacts/data/events.jsonl")),
    ],
)
def test_sample_data_is_made_once_and_announced_in_one_line(make: object, path: Path) -> None:
    assert callable(make)
    notices: list[str] = []
    assert make(notices.append) == path
    first = path.stat().st_mtime_ns
    assert path.with_name(f"{path.stem}.manifest.json").is_file()
    assert make(notices.append) == path
    assert path.stat().st_mtime_ns == first
    assert notices == [f"No DATA given and STORYTELLER_DATA_PATH is not set: using the sample data {path}"] * 2
