"""What spans do with their determiners is counted from the data, and converted where it has to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.contract.events import EventKind, Register
from storyteller_trainer.events.data.convention import DeterminerCount, SpanConvention, convention, converted
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.sample.events.markup import assemble, parse_markup


def example(line: str) -> EventExample:
    """`[Mara] saw [the lamp]`, every span an OBJECT:Target."""
    text, entities = assemble(parse_markup(line.replace("]", "|OBJECT:Target]")))
    return EventExample(
        id="1", text=text, register=Register.NARRATOR, event_kinds=[EventKind.STATE_ASSERTION], entities=entities
    )


def marked(example: EventExample) -> str:
    source, parts, place = example.text.encode(), [], 0
    for entity in example.entities:
        assert source[entity.start : entity.end].decode() == entity.text
        parts += [source[place : entity.start].decode(), f"[{entity.text}]"]
        place = entity.end
    return "".join(parts) + source[place:].decode()


@pytest.mark.parametrize(
    ("line", "spans", "inside", "outside"),
    [
        ("[I] pick up [the book]", 2, 1, 0),
        ("[I] pick up the [book]", 2, 0, 1),
        ("[Åsa] loves [my old dog], the [cat] and [birdsong].", 4, 1, 1),
        # A pronoun takes no determiner, and a name only "the".
        ("He said that [he] saw a [Mara] in the [Hague].", 3, 0, 1),
        # These may stand for themselves.
        ("[She] gave her [books] and no [word].", 3, 0, 0),
        # The word before is a span, so it is no determiner of the next one.
        ("[Her] [lamp] is [his].", 3, 0, 0),
        ("[her] sees [the]", 2, 0, 0),
    ],
)
def test_what_is_counted(line: str, spans: int, inside: int, outside: int) -> None:
    assert convention([example(line)]) == DeterminerCount(spans, inside, outside)


@pytest.mark.parametrize(
    ("inside", "outside", "name"),
    [
        (0, 0, SpanConvention.UNKNOWN),
        (3, 0, SpanConvention.INSIDE),
        (0, 1, SpanConvention.OUTSIDE),
        (3, 1, SpanConvention.INSIDE),
        (1, 3, SpanConvention.OUTSIDE),
        (5, 2, SpanConvention.MIXED),
        (2, 2, SpanConvention.MIXED),
    ],
)
def test_the_name_of_what_was_counted(inside: int, outside: int, name: SpanConvention) -> None:
    count = DeterminerCount(10, inside, outside)
    assert count.name is name
    assert f"{name}, {inside / 10:.1%} of 10 spans begin with a determiner" in count.describe()


def test_no_spans_no_share() -> None:
    assert convention([example("It rained.")]).share == 0.0


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("[Zoë] saw the [old lamp], her [cat] and [rain].", "[Zoë] saw [the old lamp], [her cat] and [rain]."),
        ("The [fog] ate my [house].", "[The fog] ate [my house]."),
        ("He said that [she] was in the [Hague].", "He said that [she] was in [the Hague]."),
    ],
)
def test_there_and_back(outside: str, inside: str) -> None:
    taken_in = converted([example(outside)], SpanConvention.INSIDE)
    assert [marked(one) for one in taken_in] == [inside]
    assert [marked(one) for one in converted(taken_in, SpanConvention.OUTSIDE)] == [outside]
    assert converted(taken_in, SpanConvention.UNKNOWN) == taken_in


WORDS = st.sampled_from(["the", "[lamp]", "[a bell]", "her", "[Zoë]", "saw", "[the]", "[my own house]", "é"])


@given(st.lists(WORDS), st.sampled_from([SpanConvention.INSIDE, SpanConvention.OUTSIDE]))
def test_converted_spans_stay_apart_and_where_they_say(words: list[str], to: SpanConvention) -> None:
    (found,) = converted([example(" ".join(words))], to)
    marked(found)
    ends = [0, *(entity.end for entity in found.entities)]
    assert all(entity.start >= end for entity, end in zip(found.entities, ends, strict=False))
    assert all(entity.start < entity.end for entity in found.entities)
    assert convention([found]).name in (to, SpanConvention.UNKNOWN)
