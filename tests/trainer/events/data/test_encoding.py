"""Tokens, labels, padding and the order of batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX, EntityCategory, EventKind, Span
from storyteller_schema.contract.onnx import PAD_ID
from storyteller_schema.contract.spans import assemble_spans
from storyteller_trainer.events.data.encoding import (
    Encodings,
    byte_offsets,
    collate,
    encode,
    evaluation_order,
    tokenize,
    training_order,
)
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.model.tokenizer import composed, normalised
from tiny_encoders import FAMILIES
from tokenizers import Tokenizer


@pytest.fixture(scope="module", params=FAMILIES)
def tokenizer(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Tokenizer:
    return load_encoder(str(tiny_folders[request.param])).tokenizer


@pytest.fixture(scope="module")
def bert(tiny_folders: dict[str, Path]) -> Tokenizer:
    return load_encoder(str(tiny_folders["bert"])).tokenizer


def make(record: dict[str, Any]) -> EventExample:
    return msgspec.convert(record, EventExample)


def test_labels_give_the_annotated_entities_back(tokenizer: Tokenizer, examples: list[EventExample]) -> None:
    # The tiny tokenizers cut longer ones.
    short = [example for example in examples if len(example.text) < 120]
    encodings = encode(short, tokenizer)
    missed = 0
    for example, item in zip(short, encodings.items, strict=True):
        found = assemble_spans(item.labels.tolist(), [1.0] * len(item.labels), item.offsets, item.special)
        source = example.text.encode()
        texts = [source[span.start : span.end].decode() for span in found]
        missed += texts != [entity.text for entity in example.entities]
    # The tiny SentencePiece tokenizer joins letters that it does not know to the quotation mark before them.
    assert missed == encodings.unaligned_entities <= 4
    assert encodings.cut_texts == 0


def test_first_token_begins_and_the_others_continue(bert: Tokenizer, record: dict[str, Any]) -> None:
    record["text"] = record["text"].replace("Mara", "Tomi")
    record["entities"][2]["text"] = "Tomi"
    item = encode([make(record)], bert).items[0]
    labels = [BIO_LABELS[label] if label != IGNORE_INDEX else None for label in item.labels]
    name = [label for label, (start, end) in zip(labels, item.offsets, strict=True) if 24 <= start < end <= 28]
    assert len(name) > 1
    assert name == ["B-CHARACTER"] + ["I-CHARACTER"] * (len(name) - 1)
    assert labels[0] is None
    assert labels[-1] is None
    assert item.kinds.tolist() == [float(kind is EventKind.ACTION_OCCURRENCE) for kind in EventKind]


def test_offsets_count_bytes_and_leave_out_blanks(tokenizer: Tokenizer) -> None:
    text = "Zoë said, “go to the café”"
    encoding = tokenize(tokenizer, [text])[0]
    for (start, end), (first, last) in zip(byte_offsets(encoding, text), encoding.offsets, strict=True):
        assert text.encode()[start:end].decode() == text[first:last]
        assert text[first:last].strip() == text[first:last]


def test_trimming_offsets_changes_no_token(tiny_folders: dict[str, Path]) -> None:
    text = "Mara walked to the old mill, and  the villagers followed “her”."
    for family in FAMILIES:
        raw = Tokenizer.from_file(str(tiny_folders[family] / "tokenizer.json"))
        clean = normalised(raw)
        raw.no_padding()
        assert clean.encode(text).ids[:8] == raw.encode(text).ids[:8]
        assert clean.padding is None
        assert clean.truncation is None


def test_long_texts_are_cut_and_what_is_lost_is_told(bert: Tokenizer, record: dict[str, Any]) -> None:
    record["text"] += " The rain beat on the roof." * 40 + " Mara"
    size = len(record["text"].encode())
    record["entities"].append(
        {"start": size - 4, "end": size, "text": "Mara", "category": "CHARACTER", "role": "Actor"}
    )
    encodings = encode([make(record)], bert)
    assert len(encodings.items[0].ids) == 128
    assert encodings.notices() == ["1 texts were cut after 128 tokens: 1 entities lost"]
    assert len(encodings.items[0].spans) == 4


def test_entities_inside_a_token_are_counted(bert: Tokenizer, record: dict[str, Any]) -> None:
    record["entities"] = [{"start": 11, "end": 13, "text": "th", "category": "OBJECT", "role": "Target"}]
    assert bert.encode("the").tokens[1] == "the"
    encodings = encode([make(record)], bert)
    assert encodings.unaligned_entities == 1
    assert "1 entities begin or end inside a token" in encodings.notices()[0]
    assert encodings.items[0].spans == [Span(11, 13, EntityCategory.OBJECT)]


def test_batches_are_padded_to_the_longest_with_what_the_engine_pads_with(
    bert: Tokenizer, examples: list[EventExample]
) -> None:
    items = encode(examples[:5], bert).items
    batch = collate(items)
    longest = max(len(item.ids) for item in items)
    assert batch.input_ids.shape == batch.attention_mask.shape == batch.labels.shape == (5, longest)
    assert batch.kinds.shape == (5, 8)
    for row, item in enumerate(items):
        size = len(item.ids)
        assert batch.attention_mask[row].tolist() == [1] * size + [0] * (longest - size)
        assert batch.input_ids[row].tolist() == item.ids.tolist() + [PAD_ID] * (longest - size)
        assert batch.labels[row, size:].tolist() == [IGNORE_INDEX] * (longest - size)
    assert collate(items, 128).input_ids.shape == (5, 128)


def test_an_epoch_has_every_example_once_in_batches_of_similar_length() -> None:
    lengths = torch.randint(4, 60, (1000,), generator=torch.Generator().manual_seed(0)).tolist()

    def order(seed: int) -> list[list[int]]:
        return training_order(lengths, 16, torch.Generator().manual_seed(seed))

    batches = order(1)
    assert sorted(index for batch in batches for index in batch) == list(range(1000))
    assert len(batches) == 63
    padded = sum(max(lengths[index] for index in batch) * len(batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    assert batches == order(1)
    assert batches != order(2)
    assert sorted(index for batch in evaluation_order(lengths, 16) for index in batch) == list(range(1000))


def entity_at_the_start(name: str) -> EventExample:
    end = len(name.encode())
    entity = {"start": 0, "end": end, "text": name, "category": "CHARACTER", "role": "Actor"}
    text = {"id": "1", "text": f"{name} waits.", "register": "player", "event_kinds": ["SpeechAct"]}
    return make({**text, "entities": [entity]})


def found_at_the_start(name: str, tokenizer: Tokenizer) -> tuple[list[Span], Encodings]:
    """The spans that a perfect model finds, and what is told."""
    encodings = encode([entity_at_the_start(name)], tokenizer)
    item = encodings.items[0]
    return assemble_spans(item.labels.tolist(), [1.0] * len(item.labels), item.offsets, item.special), encodings


#: End in a letter and its mark, of which Unicode has one character; the third begins with such a pair too.
COMPOSABLE = ["Zoe\u0308", "Mare\u0302\u0301", "E\u0301mile\u0301", "\u041a\u0438\u0438\u0306"]


@pytest.mark.parametrize("name", COMPOSABLE)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mark_stays_with_its_letter(tiny_folders: dict[str, Path], family: str, name: str) -> None:
    """BERT takes accents off, ModernBERT composes by itself, and neither may shorten the span."""
    published = tiny_folders[family] / "tokenizer.json"
    document = json.loads(published.read_text(encoding="utf-8"))
    if family == "modernbert":
        document["normalizer"] = {"type": "NFC"}
    plain = normalised(Tokenizer.from_str(json.dumps(document)))
    spans, told = found_at_the_start(name, composed(plain))
    end = len(name.encode())
    assert [(span.start, span.end) for span in spans] == [(0, end)]
    assert told.notices() == []
    # Not so without: this test would see it.
    if family != "deberta-v2":
        spans, told = found_at_the_start(name, plain)
        assert [span.end for span in spans] != [end]
        assert told.dropped_marks == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_composing_changes_no_token_of_composed_text(
    tiny_folders: dict[str, Path], family: str, examples: list[EventExample]
) -> None:
    plain = normalised(Tokenizer.from_file(str(tiny_folders[family] / "tokenizer.json")))
    texts = [*(example.text for example in examples), "Zoë, Søren and a café", "한국 й が ế ≠"]
    for ours, theirs in zip(tokenize(composed(plain), texts), tokenize(plain, texts), strict=True):
        assert (ours.ids, ours.offsets) == (theirs.ids, theirs.offsets)


def test_a_composed_tokenizer_is_not_composed_twice(bert: Tokenizer) -> None:
    assert composed(bert).to_str() == bert.to_str()


@pytest.mark.parametrize("mark", ["\u0301\u0308", "\ufe0f", "\u0e49"])
def test_a_mark_that_the_tokenizer_drops_is_told_as_such(bert: Tokenizer, mark: str) -> None:
    """The tiny BERT takes every mark off, and these have no character of their own with the letter before them."""
    spans, told = found_at_the_start(f"Mart{mark}", bert)
    assert [(span.start, span.end) for span in spans] == [(0, 4)]
    assert (told.dropped_marks, told.unaligned_entities) == (1, 0)
    assert told.notices() == [
        "1 entities end in a mark that the tokenizer drops; the engine's span ends before it, and counts as wrong"
    ]


@pytest.mark.parametrize("name", ["\u0e01\u0e35\u0e48", "Mara\ufe0f", "Mart\u0301\u0308"])
def test_a_byte_level_tokenizer_keeps_every_mark(tiny_folders: dict[str, Path], name: str) -> None:
    spans, told = found_at_the_start(name, load_encoder(tiny_folders["modernbert"]).tokenizer)
    assert [(span.start, span.end) for span in spans] == [(0, len(name.encode()))]
    assert told.notices() == []
