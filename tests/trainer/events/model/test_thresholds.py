"""Thresholds of kinds: the best F1 of the data they are chosen on, and 0.5 where nothing speaks for another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.contract.events import EventKind
from storyteller_trainer.events.model.thresholds import HIGHEST, LOWEST, best_thresholds

KIND = EventKind.STATE_ASSERTION


def chosen(wanted: list[int], probability: list[float]) -> float:
    annotated = np.zeros((len(wanted), 8), np.bool_)
    annotated[:, KIND.position] = wanted
    probabilities = np.full((len(wanted), 8), 0.1, np.float32)
    probabilities[:, KIND.position] = probability
    found = best_thresholds(annotated, probabilities)
    assert {value for kind, value in found.items() if kind != KIND} == {0.5}
    return found[KIND]


def test_where_a_half_is_right_it_stays() -> None:
    assert chosen([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.3]) == 0.5


def test_a_lower_and_a_higher_cut() -> None:
    assert 0.2 < chosen([1, 0, 1, 0], [0.4, 0.1, 0.9, 0.2]) < 0.4
    assert 0.6 < chosen([1, 0, 1, 0], [0.7, 0.6, 0.9, 0.2]) < 0.7


def test_never_further_out_than_a_few_sentences_can_say() -> None:
    assert chosen([1, 0], [0.02, 0.01]) == 0.5
    assert chosen([1, 1], [0.02, 0.3]) >= LOWEST


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=30))
def test_no_f1_is_worse_than_that_of_a_half(rows: list[tuple[bool, float]]) -> None:
    wanted, probabilities = np.array([w for w, _ in rows]), np.array([p for _, p in rows])

    def f1(threshold: float) -> float:
        held = probabilities > threshold
        return float(2 * (held & wanted).sum() / max(1, held.sum() + wanted.sum()))

    found = chosen([int(w) for w, _ in rows], [p for _, p in rows])
    assert LOWEST <= found <= HIGHEST
    assert f1(found) >= f1(0.5)
