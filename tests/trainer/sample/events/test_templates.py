"""The template and vocabulary files hold what they should, and mistakes in such files are named."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from random import Random
from typing import Any

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EventKind, Register
from storyteller_trainer.sample.events.templates import (
    Draw,
    Vocabulary,
    load_templates,
    parse_template,
    parse_templates,
)

VOCABULARY = """
[slots.thing]
category = "OBJECT"
words = ["lamp", "the bell", "oak bed"]
[slots.how]
words = ["slowly"]
[pronouns]
I = "CHARACTER"
[phrases.aside]
kinds = ["SpeechAct"]
phrases = ["saying {how}", "naming {thing:Subject}"]
"""


def small_vocabulary() -> Vocabulary:
    return Vocabulary(VOCABULARY.encode(), "words.toml")


def shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(files("storyteller_trainer.sample.events").joinpath(name).read_text(encoding="utf-8"))


def test_number_of_templates() -> None:
    templates = load_templates()
    assert len(templates) >= 60
    assert len([template for template in templates if len(template.kinds) == 2]) >= 8
    assert len({template.name for template in templates}) == len(templates)
    for kind in EventKind:
        for register in Register:
            assert len([t for t in templates if t.kinds[0] is kind and t.register is register]) >= 10


def test_every_slot_has_20_words_or_forms() -> None:
    for slot, entry in shipped("event_vocabulary.toml")["slots"].items():
        assert len(entry["words"]) >= 20 or len(entry["forms"]) > 0, slot


def test_every_slot_is_used() -> None:
    vocabulary, templates = shipped("event_vocabulary.toml"), shipped("event_templates.toml")
    texts = [text for group in [*templates["templates"], *templates["frames"]] for text in group["texts"]]
    texts += [text for phrase in vocabulary["phrases"].values() for text in phrase["phrases"]]
    texts += [form for slot in vocabulary["slots"].values() for form in slot.get("forms", [])]
    texts += [f"{{{clause['phrase']}}}" for frames in templates["frames"] for clause in frames["clauses"].values()]
    for slot in [*vocabulary["slots"], *vocabulary["pronouns"], *vocabulary["phrases"]]:
        assert any(re.search(rf"[{{ ]{slot}[:}}]", text) for text in texts), slot


def test_what_a_template_draws() -> None:
    nodes = parse_template(
        "{I:Actor} hold ({thing:Target}|[Rose|CHARACTER:Target])(, {aside}|).", small_vocabulary(), ""
    )
    drawn = set()
    for seed in range(400):
        draw = Draw(Random(seed))
        for node in nodes:
            node.draw(draw)
        text = "".join(piece.text for piece in draw.pieces)
        drawn.add(text)
        assert draw.kinds == ([EventKind.SPEECH_ACT] if "," in text else [])
        assert {piece.text for piece in draw.pieces if piece.category is EntityCategory.OBJECT} <= {
            *("lamp", "the bell", "oak bed"),
        }
    # No sentence names one thing twice, so "the lamp, naming lamp" does not come up.
    assert {text for text in drawn if "Rose" in text} == {
        "I hold Rose.",
        "I hold Rose, saying slowly.",
        "I hold Rose, naming lamp.",
        "I hold Rose, naming the bell.",
        "I hold Rose, naming oak bed.",
    }
    assert "I hold lamp, naming the bell." in drawn
    assert "I hold lamp, naming lamp." not in drawn


def test_a_determiner_is_inside_the_entity() -> None:
    nodes = parse_template("{I:Actor} use {the/a/a few thing:Instrument}", small_vocabulary(), "")
    drawn = set()
    for seed in range(200):
        draw = Draw(Random(seed))
        for node in nodes:
            node.draw(draw)
        assert [piece.category for piece in draw.pieces] == [EntityCategory.CHARACTER, None, EntityCategory.OBJECT]
        drawn.add(draw.pieces[-1].text)
    words = ("lamp", "the bell", "oak bed")
    assert drawn == {f"{determiner} {word}" for determiner in ("the", "a", "a few") for word in words}


def test_an_entity_may_be_composed() -> None:
    content = VOCABULARY.replace(
        "[slots.thing]",
        '[slots.size]\nwords = ["big", "small"]\n[slots.place]\ncategory = "LOCATION"\nwords = []\n'
        'forms = ["{size} (house|barn)", "{size}, {size} yard"]\n[slots.thing]',
    )
    nodes = parse_template("{I:Actor} leave {the place:Location}", Vocabulary(content.encode(), "words.toml"), "")
    drawn = set()
    for seed in range(200):
        draw = Draw(Random(seed))
        for node in nodes:
            node.draw(draw)
        assert draw.pieces[-1].category is EntityCategory.LOCATION
        drawn.add(draw.pieces[-1].text)
    # No word is drawn twice.
    assert drawn == {
        *("the big house", "the small house", "the big barn", "the small barn"),
        *("the big, small yard", "the small, big yard"),
    }


def test_a_phrase_may_hold_those_above_it() -> None:
    content = VOCABULARY + '[phrases.twice]\nkinds = ["SpatialChange"]\nphrases = ["{aside}, {aside}"]\n'
    (node,) = parse_template("{twice}", Vocabulary(content.encode(), "words.toml"), "")
    draw = Draw(Random(1))
    node.draw(draw)
    assert draw.kinds == [EventKind.SPATIAL_CHANGE, EventKind.SPEECH_ACT, EventKind.SPEECH_ACT]


def test_a_frame_is_a_template_of_each_kind_that_has_a_clause() -> None:
    content = "".join(
        f'[[templates]]\nkinds = ["{kind}"]\nregister = "{register}"\ntexts = ["{kind} {register}"]\n'
        for kind in EventKind
        for register in Register
    )
    content += (
        '[[frames]]\nregister = "player"\ntexts = ["{I:Actor} go, {main}.", "{main} now."]\n'
        '[frames.clauses]\nSpeechAct = { phrase = "aside", action = "Speak" }\n'
    )
    framed = parse_templates({"sentences.toml": content.encode()}, small_vocabulary())[2 * len(EventKind) :]
    assert [(t.name, t.kinds, t.action) for t in framed] == [
        ("SpeechAct.player.2", (EventKind.SPEECH_ACT,), "Speak"),
        ("SpeechAct.player.3", (EventKind.SPEECH_ACT,), "Speak"),
    ]
    assert framed[0].nodes == parse_template("{I:Actor} go, {aside}.", small_vocabulary(), "")
    with pytest.raises(StorytellerError, match=r"frames: '\{I:Actor\} go, \{asides\}\.': nothing to fill"):
        parse_templates({"sentences.toml": content.replace('"aside"', '"asides"').encode()}, small_vocabulary())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("The {lantern:Target}.", "nothing to fill {lantern:Target} with"),
        ("The {thing}.", "{thing} needs a role"),
        ("The {thing:Hero}.", "EntityRole has no 'Hero'"),
        ("Go {how:Target}.", "needs no role"),
        ("Go {the how}.", "needs no role and no determiner"),
        ("Go {aside:Target}.", "nothing to fill {aside:Target} with"),
        ("Go {the aside}.", "nothing to fill {the aside} with"),
        ("Go (now|later.", "'(' without its counterpart"),
        ("Go now|later.", "'|' without its counterpart"),
        ("Go now).", "')' without its counterpart"),
        ("Go {how.", "'{' without its counterpart"),
        ("Go [how].", "no [text|CATEGORY:Role]"),
        ("Go how].", "no [text|CATEGORY:Role]"),
    ],
)
def test_a_bad_template_is_named(text: str, message: str) -> None:
    with pytest.raises(StorytellerError) as caught:
        parse_template(text, small_vocabulary(), "sentences.toml")
    assert str(caught.value).startswith(f"sentences.toml: {text!r}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('category = "OBJECT"', 'category = "THING"', "Invalid enum value 'THING' - at `$.slots[...].category`"),
        ('"lamp", ', '"lamp", "lamp", ', "slots.thing has a word that is empty or stands there twice: 'lamp'"),
        ('"lamp", ', '" ", ', "slots.thing has a word that is empty"),
        ("[phrases.aside]", "[phrases.thing]", "phrases.thing is empty or has the name of a slot"),
        ("saying {how}", "saying {aside}", "phrases.aside: 'saying {aside}': nothing to fill {aside} with"),
        ("kinds = [", "kind = [", "contains unknown field `kind`"),
        ('words = ["slowly"]', "words = []", "slots.how has no words"),
        ('words = ["slowly"]', "words = [", "words.toml: "),
        ('"oak bed"]', '"oak bed"]\nforms = ["a {big} bed"]', "slots.thing: 'a {big} bed': nothing to fill {big} with"),
        (
            '"oak bed"]',
            '"oak bed"]\nforms = ["a [bed|OBJECT:Target]"]',
            "a form is inside an entity and can hold no other",
        ),
        ('words = ["slowly"]', 'words = []\nforms = ["by {thing:Target}"]', "a form is inside an entity"),
    ],
)
def test_a_bad_vocabulary_is_named(old: str, new: str, message: str) -> None:
    assert old in VOCABULARY
    with pytest.raises(StorytellerError) as caught:
        Vocabulary(VOCABULARY.replace(old, new).encode(), "words.toml")
    assert str(caught.value).startswith("words.toml: ")
    assert message in str(caught.value)


GROUP = '[[templates]]\nkinds = ["SpeechAct"]\nregister = "player"\ntexts = ["{I:Actor} talk."]\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GROUP, "no template with the primary kind StateAssertion in the register player"),
        (GROUP + GROUP, "templates[1]: '{I:Actor} talk.' is empty or stands there twice"),
        (GROUP.replace("{I:Actor} talk.", " "), "templates[0]: ' ' is empty"),
        (GROUP.replace('"SpeechAct"', ""), "templates[0]: kinds is empty or names one twice: []"),
        (GROUP.replace('"SpeechAct"', '"SpeechAct", "SpeechAct"'), "kinds is empty or names one twice"),
        (GROUP.replace("SpeechAct", "Song"), "Invalid enum value 'Song'"),
        (GROUP.replace("player", "chorus"), "Invalid enum value 'chorus'"),
        (GROUP + 'action = "Sing"\n', "Invalid enum value 'Sing'"),
        (GROUP.replace("{I:Actor}", "{Me:Actor}"), "templates[0]: '{Me:Actor} talk.': nothing to fill"),
        (GROUP.replace("register", "voice"), "unknown field `voice`"),
        ("[[templates]", "sentences.toml: "),
    ],
)
def test_a_bad_template_file_is_named(content: str, message: str) -> None:
    with pytest.raises(StorytellerError) as caught:
        parse_templates({"sentences.toml": content.encode()}, small_vocabulary())
    assert str(caught.value).startswith("sentences.toml: ")
    assert message in str(caught.value)
