"""What an annotation leaves open is no negative: not in the labels, not in the loss, not in the scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from storyteller_schema.contract.events import BIO_LABELS, EntityCategory, EventKind, Register, Span
from storyteller_trainer.events.data.dataset import inspect, load_events
from storyteller_trainer.events.data.encoding import collate, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.partial import comparable, open_labels
from storyteller_trainer.events.data.split import split
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.data.survey import survey
from storyteller_trainer.events.model.tokenizer import read_tokenizer
from storyteller_trainer.sample.events.generate import write_examples
from storyteller_trainer.sample.events.markup import assemble, parse_markup

CHARACTER, OBJECT, LOCATION = EntityCategory.CHARACTER, EntityCategory.OBJECT, EntityCategory.LOCATION
COLLECTIVE = EntityCategory.COLLECTIVE


def example(line: str = "[the old man|CHARACTER:Actor] saw [it|OBJECT:Target]", **changes: Any) -> EventExample:
    text, entities = assemble(parse_markup(line))
    kinds = [EventKind.STATE_ASSERTION]
    made = EventExample(id=line, text=text, register=Register.NARRATOR, event_kinds=kinds, entities=entities)
    return msgspec.structs.replace(made, **changes)


def names(row: Any) -> set[str]:
    return {label for label, open_ in zip(BIO_LABELS, row, strict=True) if open_}


OFFSETS = [(0, 0), (0, 3), (4, 7), (8, 11), (12, 15), (16, 18), (18, 18)]
LABELS = np.array([-100, 1, 2, 2, 0, 3, -100])


def test_full_annotation_leaves_nothing_open() -> None:
    assert open_labels(example(), LABELS, OFFSETS) is None
    assert open_labels(example(categories=list(EntityCategory)), LABELS, OFFSETS) is None


def test_outside_of_entities_what_nobody_looked_for_may_be() -> None:
    found = open_labels(example(categories=[CHARACTER, OBJECT]), LABELS, OFFSETS)
    assert found is not None
    assert names(found[1]) == {"B-CHARACTER"}
    assert names(found[2]) == {"I-CHARACTER"}
    unknown = set(EntityCategory) - {CHARACTER, OBJECT}
    assert names(found[4]) == {"O", *(f"{prefix}-{category}" for category in unknown for prefix in "BI")}
    assert names(found[5]) == {"B-OBJECT"}
    assert names(found[0]) == set(BIO_LABELS)


def test_an_entity_of_several_categories() -> None:
    several = example()
    several.entities[0] = msgspec.structs.replace(several.entities[0], alternatives=[COLLECTIVE])
    found = open_labels(several, LABELS, OFFSETS)
    assert found is not None
    assert names(found[1]) == {"B-CHARACTER", "B-COLLECTIVE"}
    assert names(found[3]) == {"I-CHARACTER", "I-COLLECTIVE"}
    assert names(found[4]) == {"O"}


def test_batches_carry_it_only_where_there_is_something(tiny_bert: str) -> None:
    tokenizer = read_tokenizer(Path(tiny_bert) / "tokenizer.json")
    plain, partial = example(), example(categories=[CHARACTER], kinds_annotated=False, event_kinds=[], weight=3.0)
    batch = collate(encode([plain, plain], tokenizer).items)
    assert batch.allowed is batch.weights is batch.kind_weights is None
    mixed = collate(encode([plain, partial], tokenizer).items)
    assert mixed.allowed is not None
    assert mixed.weights is not None
    assert mixed.kind_weights is not None
    assert mixed.weights.tolist() == [1.0, 3.0]
    assert mixed.kind_weights.tolist() == [1.0, 0.0]
    there = mixed.labels >= 0
    # The label itself is always open; of the full annotation nothing else is.
    assert mixed.allowed.gather(-1, mixed.labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)[there].all()
    assert (mixed.allowed[0].sum(-1)[there[0]] == 1).all()
    assert (mixed.allowed[1].sum(-1)[there[1]] > 1).any()
    assert mixed.to(torch.device("cpu")).allowed is not None


def test_what_nobody_annotated_is_told(tiny_bert: str) -> None:
    tokenizer = read_tokenizer(Path(tiny_bert) / "tokenizer.json")
    partial = example(categories=[CHARACTER], kinds_annotated=False, event_kinds=[])
    assert encode([example(), partial, partial], tokenizer).notices() == [
        "the kinds of 2 sentences were not annotated: they count in no score of kinds",
        "some categories of 2 sentences were not annotated: what is found of them is left out",
    ]


def test_what_a_score_compares() -> None:
    gold = [Span(0, 3, CHARACTER), Span(4, 9, OBJECT), Span(10, 12, LOCATION)]
    found = [Span(0, 3, COLLECTIVE), Span(4, 9, LOCATION), Span(20, 22, OBJECT), Span(30, 33, LOCATION)]
    several = {(0, 3): frozenset([CHARACTER, COLLECTIVE])}
    judged = frozenset([CHARACTER, LOCATION])
    kept, guessed = comparable(gold, found, judged, several)
    # The entity of two categories is what was predicted; objects count on neither side.
    assert kept == [Span(0, 3, COLLECTIVE), Span(10, 12, LOCATION)]
    assert guessed == [Span(0, 3, COLLECTIVE), Span(4, 9, LOCATION), Span(30, 33, LOCATION)]
    assert comparable(gold, found, frozenset(EntityCategory), {}) == (gold, found)
    kept, guessed = comparable(gold[:1], [Span(0, 3, OBJECT)], judged, several)
    assert kept == gold[:1]


Write = Callable[..., Path]


def test_a_record_says_what_was_annotated(write_lines: Write, record: dict[str, Any]) -> None:
    record |= {"event_kinds": [], "kinds_annotated": False, "categories": ["CHARACTER"], "weight": 2.5}
    record["entities"][0]["alternatives"] = ["COLLECTIVE"]
    (found,) = load_events(write_lines(record)).examples
    assert (found.kinds_annotated, found.categories, found.weight) == (False, [CHARACTER], 2.5)
    assert found.entities[0].alternatives == [COLLECTIVE]
    shown = survey(write_lines(record))
    assert (shown.without_kinds, shown.partly_annotated, sum(shown.primary_kinds.values())) == (1, 1, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kinds_annotated": False}, "line 1: kinds_annotated: unknown value: false, and there are event_kinds"),
        ({"event_kinds": []}, "line 1: event_kinds: empty"),
        ({"weight": 0}, "line 1: weight: out of range: 0.0"),
        ({"weight": -1.5}, "line 1: weight: out of range: -1.5"),
        ({"categories": ["PERSON"]}, "line 1: categories[0]: unknown value: 'PERSON'; one of CHARACTER"),
    ],
)
def test_what_a_record_may_not_say(
    write_lines: Write, record: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    inspection = inspect(write_lines(record | changes))
    assert told in str(inspection.problems.first[0])


def test_sentences_without_kinds_are_split_like_others(examples: list[EventExample], tmp_path: Path) -> None:
    bare = [
        msgspec.structs.replace(one, id=f"bare {one.id}", text=f"{one.text} Yes.", event_kinds=[], template=None)
        for one in examples
    ]
    bare = [msgspec.structs.replace(one, kinds_annotated=False) for one in bare]
    parts = split([*examples, *bare], Strategy.RANDOM, 1)
    for part in (parts.train, parts.validation, parts.random, parts.skeletons):
        assert any(not one.kinds_annotated for one in part)
    write_examples(tmp_path / "a.jsonl", bare)
    assert load_events(tmp_path / "a.jsonl").examples == bare
