"""Who trains and who is held out."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register
from storyteller_trainer.events.data.example import Entity, EventExample
from storyteller_trainer.events.data.skeleton import split_group, text_key
from storyteller_trainer.events.data.split import Split, split
from storyteller_trainer.events.data.strategy import Strategy

PARTS = ("train", "validation", "random", "skeletons")


def ids(examples: list[EventExample]) -> list[str]:
    return [example.id for example in examples]


def skeletons(examples: list[EventExample]) -> set[str]:
    return {split_group(example) for example in examples}


@pytest.fixture(scope="module", params=list(Strategy))
def parts(request: pytest.FixtureRequest, many: list[EventExample]) -> Split:
    return split(many, request.param, seed=42)


@pytest.fixture(scope="module")
def many() -> list[EventExample]:
    from storyteller_trainer.sample.events.generate import generate

    return generate(per_kind=200, seed=7).examples


def test_every_example_is_in_one_part_and_every_kind_in_every_part(parts: Split, many: list[EventExample]) -> None:
    together = [identity for part in PARTS for identity in ids(getattr(parts, part))]
    assert sorted(together) == sorted(ids(many))
    for part in PARTS:
        assert {example.event_kinds[0] for example in getattr(parts, part)} == set(EventKind)


def test_unseen_skeletons_are_in_no_other_part(parts: Split) -> None:
    others = skeletons(parts.train) | skeletons(parts.validation) | skeletons(parts.random)
    assert skeletons(parts.skeletons).isdisjoint(others)


def test_the_skeleton_strategy_validates_on_skeletons_that_are_in_no_other_part(many: list[EventExample]) -> None:
    parts = split(many, Strategy.SKELETON, seed=42)
    others = skeletons(parts.train) | skeletons(parts.skeletons) | skeletons(parts.random)
    assert skeletons(parts.validation).isdisjoint(others)


def test_shares_are_as_near_as_whole_groups_allow(many: list[EventExample]) -> None:
    parts = split(many, Strategy.RANDOM, seed=42)
    for kind in EventKind:
        held = sum(example.event_kinds[0] is kind for example in parts.skeletons)
        assert 0.10 * 200 <= held <= 0.20 * 200
    rest = len(many) - len(parts.skeletons)
    assert len(parts.random) == pytest.approx(0.1 * rest, abs=len(EventKind))
    assert len(parts.validation) == pytest.approx(0.1 * rest, abs=len(EventKind))


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_order_of_the_file_does_not_matter(many: list[EventExample], strategy: Strategy) -> None:
    shuffled = random.Random(0).sample(many, len(many))
    one, other = split(many, strategy, seed=42), split(shuffled, strategy, seed=42)
    for part in PARTS:
        assert set(ids(getattr(one, part))) == set(ids(getattr(other, part)))


def test_another_seed_gives_another_split(many: list[EventExample]) -> None:
    one, other = split(many, Strategy.RANDOM, seed=1), split(many, Strategy.RANDOM, seed=2)
    assert skeletons(one.skeletons) != skeletons(other.skeletons)
    assert ids(one.random) != ids(other.random)


def test_both_strategies_hold_out_the_same_skeletons(many: list[EventExample]) -> None:
    by_strategy = [split(many, strategy, seed=42).skeletons for strategy in Strategy]
    assert ids(by_strategy[0]) == ids(by_strategy[1])


def example(number: int, text: str, kind: EventKind = EventKind.SPEECH_ACT) -> EventExample:
    return EventExample(id=str(number), text=text, register=Register.PLAYER, event_kinds=[kind], entities=[])


@given(st.lists(st.integers(0, 30), min_size=60, max_size=120), st.sampled_from(Strategy))
def test_equal_texts_stay_together(numbers: list[int], strategy: Strategy) -> None:
    copies = [example(i, f"text {number}") for i, number in enumerate([*range(30), *numbers])]
    parts = split(copies, strategy, seed=3)
    texts = [{e.text for e in getattr(parts, part)} for part in PARTS]
    assert sum(len(found) for found in texts) == len(set.union(*texts))


def test_too_little_variety_is_an_error() -> None:
    same = [example(i, "I wait.") for i in range(50)]
    with pytest.raises(StorytellerError, match="part of the split is empty: 50 examples have 1 skeletons"):
        split(same, Strategy.RANDOM, seed=1)


# --- equal texts, however they are written and annotated


def annotated(number: int, text: str, *entities: str, template: str | None = None) -> EventExample:
    found = [
        Entity(
            start=len(text[: text.index(name)].encode()),
            end=len(text[: text.index(name) + len(name)].encode()),
            text=name,
            category=EntityCategory.CHARACTER,
            role=EntityRole.ACTOR,
        )
        for name in entities
    ]
    return EventExample(
        id=str(number),
        text=text,
        register=Register.PLAYER,
        event_kinds=[list(EventKind)[number // 2 % 8]],
        entities=found,
        template=template,
    )


def pairs(change: Callable[[str], str], second: Callable[[int], dict[str, Any]]) -> list[EventExample]:
    """240 sentences, each twice: as it is, and changed, with other annotations or another template."""
    made = []
    for number in range(240):
        text = f"Zoë{number} sees Mara{number} in place {'abcdefghij'[number % 10]}{'klmnopqrst'[number // 24]}"
        made.append(annotated(2 * number, text, f"Zoë{number}", f"Mara{number}"))
        options = second(number)
        names = options.pop("entities", (f"Zoë{number}",))
        made.append(annotated(2 * number + 1, change(text), *map(change, names), **options))
    return made


CHANGES: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "a blank at the end": lambda text: f"{text} " if " " in text else text,
    "blanks around": lambda text: f"\u3000\t{text}\u00a0" if " " in text else text,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
}
SECONDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "annotated otherwise": lambda number: {},
    "a template on one of two": lambda number: {"template": f"t{number % 30}"},
    "no entity": lambda number: {"entities": ()},
}


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("second", SECONDS)
def test_equal_texts_are_on_one_side_of_every_part(change: str, second: str, strategy: Strategy) -> None:
    parts = split(pairs(CHANGES[change], SECONDS[second]), strategy, seed=5)
    texts = {part: {unicodedata.normalize("NFC", one.text).strip() for one in getattr(parts, part)} for part in PARTS}
    groups = {part: skeletons(getattr(parts, part)) for part in PARTS}
    for one, other in combinations(PARTS, 2):
        assert texts[one].isdisjoint(texts[other]), (one, other)
    for part in ("train", "validation", "random"):
        assert groups["skeletons"].isdisjoint(groups[part]), part


def test_upper_and_lower_case_may_be_parted() -> None:
    assert text_key("Zoë waits.") != text_key("zoë waits.")
    assert text_key(" Zoë waits.\n") == text_key("Zoe\u0308 waits.")
    assert text_key("Zoë  waits.") != text_key("Zoë waits.")


def test_where_no_text_is_shared_the_split_is_what_it_was(many: list[EventExample]) -> None:
    """A literal: reported scores are of this split. Another one makes another version of every result."""
    held = sorted(skeletons(split(many, Strategy.RANDOM, seed=42).skeletons))
    assert len(held) == 240
    assert held[::45] == [
        "ActionOccurrence.narrator.133",
        "EmotionalExpression.player.134",
        "InformationTransfer.narrator.114",
        "RelationalShift.player.180",
        "SpeechAct.narrator.112",
        "StateAssertion.narrator.91",
    ]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_what_is_for_training_alone_is_never_held_out(many: list[EventExample], strategy: Strategy) -> None:
    before = split(many, strategy, seed=42)
    marked = {example.id for example in (*before.skeletons[:3], *before.random[:3], *before.validation[:3])}
    examples = [msgspec.structs.replace(example, train_only=example.id in marked) for example in many]
    # The same text again, not marked: it may not be scored, since it is trained on.
    examples.append(msgspec.structs.replace(before.random[0], id="again"))
    parts = split(examples, strategy, seed=42)
    assert marked | {"again"} <= set(ids(parts.train))
    assert sorted(identity for part in PARTS for identity in ids(getattr(parts, part))) == sorted(ids(examples))
    groups = {split_group(example) for example in parts.train if example.train_only}
    assert not groups & skeletons(parts.skeletons)
