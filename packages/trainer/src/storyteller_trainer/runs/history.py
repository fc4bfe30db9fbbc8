"""`history.jsonl`: what a run writes down of each epoch, with the same keys for the same things in every run."""

from __future__ import annotations

import msgspec


class Losses(msgspec.Struct, frozen=True):
    """Means over examples, however these were divided into batches."""

    #: Weighted sum of the heads: what is trained.
    total: float
    #: Head name to its loss, unweighted.
    heads: dict[str, float]


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line. It holds no times, so that the same run always writes the same bytes; `run.json` has them."""

    #: Counted from 1.
    epoch: int
    #: Of the epoch's last step.
    learning_rate: float
    #: On the training side, while the weights changed.
    train: Losses
    #: On the validation side, after the epoch.
    validation: Losses
    #: On the validation side; higher is better. What each of them is, is said by who writes it.
    scores: dict[str, float]


def with_todays_keys(line: bytes) -> bytes:
    """A line as it is written now, from one of a character run of before all runs had the same keys."""
    return line.replace(b'"accuracy":{', b'"scores":{')
