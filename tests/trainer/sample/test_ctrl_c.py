"""Ctrl-C while sample data is made: nothing half written is left, and an older file stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from interrupting import MESSAGE, interrupt


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("generate-training-data", "storyteller_trainer.sample.character.generate:draw_chunks"),
        ("generate-training-data", "storyteller_trainer.sample.character.descriptor_files:load_descriptors"),
        ("generate-event-data", "storyteller_trainer.sample.events.generate:generate"),
        ("generate-event-data", "storyteller_trainer.sample.events.generate:write_events"),
    ],
)
def test_ctrl_c_while_data_is_made(command: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data.jsonl").write_text("old")
    ended = interrupt(command, "-o", "out/data.jsonl", at=place)
    assert ended.code == 130
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1:] == MESSAGE.splitlines()
    assert "Traceback" not in ended.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data.jsonl"]
    assert (tmp_path / "out" / "data.jsonl").read_text() == "old"
