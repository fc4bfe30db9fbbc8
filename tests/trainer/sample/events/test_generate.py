"""The generated data keeps its promises: counts, spans, variety, and the same bytes for the same seed."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from failing_disk import at_every_write
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import ActionType
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register
from storyteller_trainer.events.data.convention import SpanConvention, convention
from storyteller_trainer.events.data.skeleton import skeleton, split_group
from storyteller_trainer.reading.jsonl import sha256
from storyteller_trainer.sample.events import generate as generate_module
from storyteller_trainer.sample.events.generate import EventData, generate, summary, write_events
from storyteller_trainer.sample.events.templates import Template, Vocabulary, load_templates, parse_template
from storyteller_trainer.sample.fallback import EVENTS_PER_KIND


def test_counts(generated: EventData) -> None:
    kinds = Counter(example.event_kinds[0] for example in generated.examples)
    assert kinds == dict.fromkeys(EventKind, EVENTS_PER_KIND)
    primary = Counter((example.event_kinds[0], example.register) for example in generated.examples)
    assert set(primary.values()) == {EVENTS_PER_KIND // 2}
    assert len(primary) == len(EventKind) * len(Register)


def test_spans_are_where_they_say(generated: EventData) -> None:
    for example in generated.examples:
        source = example.text.encode()
        end = 0
        for entity in example.entities:
            assert source[entity.start : entity.end].decode() == entity.text
            assert entity.start >= end
            assert entity.text == entity.text.strip()
            end = entity.end


def test_no_text_twice_and_no_id_twice(generated: EventData) -> None:
    folded = {re.sub(r"\W+", " ", example.text.casefold()).strip() for example in generated.examples}
    assert len(folded) == len(generated.examples)
    assert len({example.id for example in generated.examples}) == len(generated.examples)


def test_everything_comes_up(generated: EventData) -> None:
    entities = [entity for example in generated.examples for entity in example.entities]
    assert {entity.category for entity in entities} == set(EntityCategory)
    assert {entity.role for entity in entities} == set(EntityRole)
    assert {example.action_type for example in generated.examples} == {*ActionType, None}
    # All templates of a kind and register that has no more of them than texts.
    series = Counter((template.kinds[0], template.register) for template in load_templates())
    names = {t.name for t in load_templates() if series[t.kinds[0], t.register] <= EVENTS_PER_KIND // 2}
    assert names - {example.template for example in generated.examples} == set()
    assert any(not example.text.isascii() for example in generated.examples)
    # Not only the sentence but an entity, and not only quotation marks but letters.
    assert any(char.isalpha() and ord(char) > 127 for entity in entities for char in entity.text)
    assert any(len(entity.text.split()) > 2 for entity in entities)
    assert any(not example.entities for example in generated.examples)
    texts = [example.text for example in generated.examples]
    assert any(text.islower() for text in texts)
    assert any("“" in text for text in texts)
    assert any('"' in text for text in texts)
    assert any(text[-1].isalpha() for text in texts)


def test_players_say_i_and_narrators_rarely_do(generated: EventData) -> None:
    speech = re.compile(r"“[^”]*”|\"[^\"]*\"|(?<!\w)'.*?'(?!\w)")
    outside = [(example.register, speech.sub("", example.text)) for example in generated.examples]
    narrator = [text for register, text in outside if register is Register.NARRATOR]
    # Some narrators tell their own story, as in novels, and nearly all tell it in the past.
    assert 0 < sum(bool(re.search(r"\bI\b", text)) for text in narrator) < len(narrator) / 5
    assert not [text for text in narrator if re.search(r"\bI am\b", text)]
    player = [text for register, text in outside if register is Register.PLAYER]
    assert sum(bool(re.search(r"\b(i|my|me|we|us)\b", text, re.IGNORECASE)) for text in player) > len(player) / 2


def test_the_words_fit(generated: EventData) -> None:
    flaws = re.compile(
        r"  | [,.!?;:]|,,|(?<!\.)\.\.(?!\.)|[.!?][”\"]\.|[{}()|\[\]]|^\s|\s$"
        r"|\b(a|the|an|my) (a|the|an|my|his)\b|\ba (?:[aeiou]|hour|hono)|\ban (?!hour|hono|hones|heir)[^aeiou]",
        re.IGNORECASE,
    )
    assert [example.text for example in generated.examples if flaws.search(example.text)] == []
    engine = re.compile(r"(the|an?|my|some|all|no) ")  # the engine opens with a noun phrase in lower case
    starts = [e.text.lstrip("“\"'") for e in generated.examples if e.text != e.text.lower()]
    assert not [start for start in starts if start[0].islower() and not engine.match(start)]


def test_a_share_is_written_as_the_engine_writes(generated: EventData) -> None:
    texts = [e.text for e in generated.examples if e.register is Register.NARRATOR]
    assert 0.25 < sum(text[-1].isalpha() for text in texts) / len(texts) < 0.35
    with_speech = [text for text in texts if re.search(r"[“\"]|(?<!\w)'", text)]
    assert 0.25 < sum(bool(re.search(r"(?<!\w)'", text)) for text in with_speech) / len(with_speech) < 0.35
    opening = [e.text for e in generated.examples if e.entities[:1] and e.entities[0].start == 0]
    assert (
        0.2
        < sum(text.startswith(("the ", "a ")) for text in opening)
        / sum(text.lower().startswith(("the ", "a ")) for text in opening)
        < 0.4
    )


def test_determiners_are_in_the_spans(generated: EventData) -> None:
    found = convention(generated.examples)
    assert found.name is SpanConvention.INSIDE
    assert found.outside == 0
    assert 0.4 < found.share < 0.7


def test_phrases_add_their_kinds(generated: EventData) -> None:
    own = {template.name: template.kinds for template in load_templates()}
    for example in generated.examples:
        assert example.template is not None
        assert tuple(example.event_kinds[: len(own[example.template])]) == own[example.template]
        assert len(set(example.event_kinds)) == len(example.event_kinds)
    assert Counter(len(example.event_kinds) for example in generated.examples)[2] > 1000


def test_a_skeleton_belongs_to_one_template(generated: EventData) -> None:
    """So a split by template never has the same skeleton on both sides."""
    templates = defaultdict(set)
    for example in generated.examples:
        templates[skeleton(example.text, example.entities)].add(split_group(example))
    assert [found for found in templates.values() if len(found) > 1] == []


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    first, second, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.jsonl"
    write_events(first, generate(20, seed=1))
    write_events(second, generate(20, seed=1))
    write_events(other, generate(20, seed=2))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_files(tmp_path: Path) -> None:
    data = generate(3, seed=5)
    manifest_path = write_events(tmp_path / "new" / "events.jsonl", data)
    lines = (tmp_path / "new" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 24
    record = next(record for record in map(json.loads, lines) if record["entities"] and "action_type" in record)
    assert set(record) == {"id", "text", "register", "event_kinds", "action_type", "entities", "template"}
    assert set(record["entities"][0]) == {"start", "end", "text", "category", "role"}
    assert manifest_path == tmp_path / "new" / "events.manifest.json"
    manifest = json.loads(manifest_path.read_bytes())
    assert manifest.pop("generated_at").endswith("+00:00")
    assert manifest == {
        "content_hash": sha256(tmp_path / "new" / "events.jsonl"),
        "total_generated": data.drawn,
        "total_valid": 24,
        "total_rejected": data.drawn - 24,
        "per_event_kind": {kind.value: 3 for kind in EventKind},
        # Of three of a kind, two are the player's.
        "per_register": {"player": 16, "narrator": 8},
        "seed": 5,
    }


def test_exhausted_templates_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def few() -> list[Template]:
        vocabulary = Vocabulary(b"[slots]\n[pronouns]\n[phrases]\n", "words.toml")
        nodes = parse_template("(yes|no|perhaps)", vocabulary, "")
        return [Template(f"{k}.{r}.1", (k,), r, None, nodes) for k in EventKind for r in Register]

    monkeypatch.setattr(generate_module, "load_templates", few)
    with pytest.raises(StorytellerError, match="1 templates of StateAssertion in the register player make 3 different"):
        generate(8, seed=0)


def test_summary(generated: EventData) -> None:
    rows = summary(generated.examples)
    assert list(rows) == [*EventKind, "all"]
    assert rows["all"]["examples"] == 8 * EVENTS_PER_KIND
    assert rows["all"]["player"] == rows["all"]["narrator"] == 4 * EVENTS_PER_KIND
    assert rows["SpeechAct"]["primary"] == EVENTS_PER_KIND
    assert rows["SpeechAct"]["examples"] == sum(EventKind.SPEECH_ACT in e.event_kinds for e in generated.examples)
    assert summary([])["all"]["entities"] == 0


def test_a_full_disk_at_any_write_leaves_the_old_pair(tmp_path: Path) -> None:
    place = tmp_path / "events.jsonl"
    write_events(place, generate(per_kind=1, seed=1))
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def check(number: int, error: Exception) -> None:
        assert isinstance(error, StorytellerError)
        assert re.search(r"events\.(jsonl|manifest\.json): cannot write here: No space left on device", str(error))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old

    assert at_every_write(lambda: write_events(place, generate(per_kind=2, seed=2)), check) == 2
