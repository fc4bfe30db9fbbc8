"""The lines of `history.jsonl`: the same keys for the same things, whatever is trained."""

from __future__ import annotations

import msgspec
from storyteller_trainer.character.training.run_folder import CharacterRow
from storyteller_trainer.events.training.run_folder import EventRow
from storyteller_trainer.runs.history import HistoryRow, Losses, with_todays_keys


def test_both_kinds_of_runs_have_these_keys_and_each_one_of_its_own() -> None:
    common = ("epoch", "learning_rate", "train", "validation", "scores")
    assert HistoryRow.__struct_fields__ == common
    assert CharacterRow.__struct_fields__ == (*common, "terms")
    assert EventRow.__struct_fields__ == (*common, "score")
    assert Losses.__struct_fields__ == ("total", "heads")


def test_a_line_of_an_earlier_version_is_read_as_one_of_today() -> None:
    before = (
        b'{"epoch":1,"learning_rate":0.001,"train":{"total":2.5,"heads":{"action":3.5}},'
        b'"validation":{"total":2.25,"heads":{"action":3.25}},"terms":{"action.type":1.5},"accuracy":{"action.type":0.3}}\n'
    )
    row = msgspec.json.decode(with_todays_keys(before), type=CharacterRow)
    assert (row.epoch, row.validation.heads, row.scores) == (1, {"action": 3.25}, {"action.type": 0.3})
    now = msgspec.json.encode(row) + b"\n"
    assert with_todays_keys(now) == now
