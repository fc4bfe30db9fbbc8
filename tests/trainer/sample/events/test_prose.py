"""The hand-annotated prose set: large and varied enough to judge a model by, and no part of the training data."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register
from storyteller_trainer.events.data.convention import SpanConvention, convention
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.skeleton import skeleton
from storyteller_trainer.sample.events.generate import EventData
from storyteller_trainer.sample.events.prose import parse_prose

LINE = "SpeechAct+ActionOccurrence/Speak: “Enough,” said [Åsa|CHARACTER:Actor].\n"


def test_size(prose: list[EventExample]) -> None:
    assert len(prose) >= 220
    assert min(Counter(example.register for example in prose).values()) >= 100
    assert len({example.text for example in prose}) == len({example.id for example in prose}) == len(prose)


def test_every_label_is_well_represented(prose: list[EventExample]) -> None:
    kinds = Counter(kind for example in prose for kind in example.event_kinds)
    assert {kind for kind in EventKind if kinds[kind] >= 25} == set(EventKind)
    categories = Counter(entity.category for example in prose for entity in example.entities)
    assert {category for category in EntityCategory if categories[category] >= 25} == set(EntityCategory)
    roles = Counter(entity.role for example in prose for entity in example.entities)
    assert {role for role in EntityRole if roles[role] >= 10} == set(EntityRole)


def test_variety(prose: list[EventExample]) -> None:
    assert sum(len(example.event_kinds) > 1 for example in prose) >= 50
    assert sum(not example.entities for example in prose) >= 10
    assert sum(any(char.isalpha() and ord(char) > 127 for char in example.text) for example in prose) >= 10
    assert sum("“" in example.text for example in prose) >= 25


def test_no_prose_in_training_data(generated: EventData, prose: list[EventExample]) -> None:
    def folded(text: str) -> str:
        return re.sub(r"\W+", " ", text.casefold()).strip()

    def bare(example: EventExample) -> str:
        return folded(skeleton(example.text, example.entities))

    assert not {folded(e.text) for e in prose} & {folded(e.text) for e in generated.examples}
    assert not {bare(e) for e in prose} & {bare(e) for e in generated.examples}


def test_no_template_is_modelled_on_the_prose(generated: EventData, prose: list[EventExample]) -> None:
    """No run of seven words or entities of the prose set stands in the generated data."""

    def runs(example: EventExample) -> set[tuple[str, ...]]:
        words = re.findall(r"<\w+>|[\w’']+", skeleton(example.text, example.entities))
        return {tuple(words[start : start + 7]) for start in range(len(words) - 6)}

    generated_runs = set[tuple[str, ...]]().union(*map(runs, generated.examples))
    assert [example.text for example in prose if runs(example) & generated_runs] == []


def test_spans_follow_the_guideline(prose: list[EventExample]) -> None:
    """Determiners are in their spans, so none stands before one, and every "I", "me" or "we" is a span."""
    found = convention(prose)
    assert found.name is SpanConvention.INSIDE
    assert found.outside == 0
    for example in prose:
        source = example.text.encode()
        rest, position = [], 0
        for entity in example.entities:
            rest.append(source[position : entity.start].decode())
            position = entity.end
        rest.append(source[position:].decode())
        assert not re.search(r"\b(I|me|we|us|he|him|she|you)\b", " ".join(rest), re.IGNORECASE), example.text


def test_a_line_is_read() -> None:
    (example,) = parse_prose("# a comment\n\n" + LINE, Register.NARRATOR, "file")
    assert example.text == "“Enough,” said Åsa."
    assert example.event_kinds == [EventKind.SPEECH_ACT, EventKind.ACTION_OCCURRENCE]
    assert example.action_type == "Speak"
    assert example.register is Register.NARRATOR
    (entity,) = example.entities
    assert (entity.start, entity.end) == (19, 23)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SpeechAct+", "Song+", "EventKind has no 'Song'"),
        ("/Speak", "/Sing", "ActionType has no 'Sing'"),
        ("+ActionOccurrence", "+SpeechAct", "names a kind twice"),
        (": “", " “", "is no Kind+Kind/Action: text"),
        (":Actor", "", "no [text|CATEGORY:Role]"),
    ],
)
def test_a_bad_line_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(StorytellerError) as caught:
        parse_prose(LINE + LINE.replace(old, new, 1), Register.NARRATOR, "file.txt")
    assert str(caught.value).startswith("file.txt:2: ")
    assert message in str(caught.value)
