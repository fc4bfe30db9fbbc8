"""Ctrl-C in a real process of `train-event-classifier`."""

from __future__ import annotations

from pathlib import Path

import pytest
from interrupting import MESSAGE, interrupt


@pytest.mark.slow
def test_ctrl_c_before_the_first_epoch(data_file: Path, tiny_bert: str) -> None:
    place = "storyteller_trainer.events.training.train:Trainer.__init__"
    ended = interrupt("train-event-classifier", data_file, "--encoder", tiny_bert, "--device", "cpu", at=place)
    assert ended.code == 130
    assert ended.stderr.splitlines()[-1:] == MESSAGE.splitlines()
    assert "Traceback" not in ended.stderr
    assert not list(Path("artifacts").rglob(".*"))


def test_ctrl_c_while_data_is_listed(data_file: Path) -> None:
    ended = interrupt(
        "train-event-classifier",
        data_file,
        "--validate-only",
        at="storyteller_trainer.events.data.line_parser:parse_line",
    )
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)
