"""The engine's span assembly, BIO encoding, and the two ways of counting offsets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX, EntityCategory, Span
from storyteller_schema.contract.spans import TextOffsets, assemble_spans, begin_label, decode_spans, encode_bio

CHARACTER, OBJECT, LOCATION = EntityCategory.CHARACTER, EntityCategory.OBJECT, EntityCategory.LOCATION


def assemble(labels: str, special: str = "") -> list[tuple[int, int, str]]:
    """Spans as (first token, token after the last, category), from labels such as "B-OBJECT I-OBJECT O"."""
    names = labels.split()
    flags = [flag == "x" for flag in special or "." * len(names)]
    offsets = [(token, token + 1) for token in range(len(names))]
    spans = assemble_spans([BIO_LABELS.index(name) for name in names], [1.0] * len(names), offsets, flags)
    return [(span.start, span.end, span.category) for span in spans]


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("O O O", []),
        ("B-OBJECT", [(0, 1, OBJECT)]),
        ("B-OBJECT I-OBJECT I-OBJECT O", [(0, 3, OBJECT)]),
        ("O B-OBJECT I-OBJECT", [(1, 3, OBJECT)]),
        ("B-OBJECT B-OBJECT I-OBJECT", [(0, 1, OBJECT), (1, 3, OBJECT)]),
        ("B-OBJECT B-CHARACTER", [(0, 1, OBJECT), (1, 2, CHARACTER)]),
        # An I- of another category closes the span and opens none; what follows is dropped too.
        ("B-OBJECT I-CHARACTER I-CHARACTER", [(0, 1, OBJECT)]),
        ("B-OBJECT I-CHARACTER I-OBJECT", [(0, 1, OBJECT)]),
        ("B-OBJECT O I-OBJECT", [(0, 1, OBJECT)]),
        ("I-OBJECT I-OBJECT", []),
        ("I-OBJECT B-OBJECT I-OBJECT", [(1, 3, OBJECT)]),
        ("B-CHARACTER I-OBJECT B-LOCATION", [(0, 1, CHARACTER), (2, 3, LOCATION)]),
        ("B-COLLECTIVE I-COLLECTIVE", [(0, 2, EntityCategory.COLLECTIVE)]),
        ("", []),
    ],
)
def test_the_strict_rules(labels: str, spans: list[tuple[int, int, str]]) -> None:
    assert assemble(labels) == spans


@pytest.mark.parametrize(
    ("labels", "special", "spans"),
    [
        ("B-OBJECT B-OBJECT I-OBJECT", "x..", [(1, 3, OBJECT)]),
        ("B-OBJECT I-OBJECT I-OBJECT", ".x.", [(0, 1, OBJECT)]),
        ("B-OBJECT I-OBJECT I-OBJECT", "..x", [(0, 2, OBJECT)]),
        ("B-OBJECT I-OBJECT", "xx", []),
    ],
)
def test_a_special_token_closes_a_span(labels: str, special: str, spans: list[tuple[int, int, str]]) -> None:
    assert assemble(labels, special) == spans


def test_a_span_reaches_from_its_first_token_to_its_last_and_has_their_mean_confidence() -> None:
    labels = [0, begin_label(OBJECT), begin_label(OBJECT) + 1, 0]
    spans = assemble_spans(labels, [0.9, 0.5, 0.75, 0.9], [(0, 0), (4, 7), (8, 11), (0, 0)], [True, False, False, True])
    assert spans == [Span(4, 11, OBJECT, 0.625)]


def test_the_label_of_a_special_token_is_not_looked_at() -> None:
    assert assemble_spans([IGNORE_INDEX, 99], [1.0, 1.0], [(0, 0), (0, 0)], [True, True]) == []


@pytest.mark.parametrize("label", [-1, 15, IGNORE_INDEX])
def test_a_label_that_does_not_exist_is_refused(label: int) -> None:
    with pytest.raises(StorytellerError, match=f"token 1 has label id {label}; expected 0 to 14"):
        assemble_spans([0, label], [1.0, 1.0], [(0, 1), (1, 2)], [False, False])


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(StorytellerError, match=r"lengths \(2, 1, 2, 2\); expected equal"):
        assemble_spans([0, 0], [1.0], [(0, 1), (1, 2)], [False, False])
    with pytest.raises(StorytellerError, match="1 token offsets but 2 special flags"):
        encode_bio([], [(0, 1)], [False, False])


@dataclass(frozen=True)
class Tokenized:
    """A text as tokens, with entity spans that start and end where tokens do."""

    offsets: list[tuple[int, int]]
    special: list[bool]
    spans: list[Span]


@st.composite
def tokenized(draw: st.DrawFn) -> Tokenized:
    """Tokens with gaps between them or none, special tokens around, and spans of one or more tokens each."""
    offsets, position = [], 0
    for gap, width in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=12)):
        offsets.append((position + gap, position + gap + width))
        position += gap + width
    spans, token = [], 0
    while token < len(offsets):
        length = draw(st.integers(1, len(offsets) - token))
        if draw(st.booleans()):
            category = draw(st.sampled_from(list(EntityCategory)))
            spans.append(Span(offsets[token][0], offsets[token + length - 1][1], category))
        token += length
    before, after = draw(st.integers(0, 2)), draw(st.integers(0, 3))
    return Tokenized(
        offsets=[(0, 0)] * before + offsets + [(0, 0)] * after,
        special=[True] * before + [False] * len(offsets) + [True] * after,
        spans=spans,
    )


@given(tokenized())
def test_spans_to_bio_and_back_is_the_identity(text: Tokenized) -> None:
    labels = encode_bio(reversed(text.spans), text.offsets, text.special)
    assert labels.dtype == np.int64
    assert [label == IGNORE_INDEX for label in labels] == text.special
    assert assemble_spans(labels.tolist(), [1.0] * len(labels), text.offsets, text.special) == text.spans


@given(tokenized(), st.floats(5, 20), st.integers(0, 2**32 - 1))
def test_logits_that_favour_the_labels_give_the_spans(text: Tokenized, height: float, seed: int) -> None:
    labels = encode_bio(text.spans, text.offsets, text.special)
    logits = np.random.default_rng(seed).uniform(0, 1, (len(labels), 15)).astype(np.float32)
    logits[np.arange(len(labels)), np.maximum(labels, 0)] += np.float32(height)
    spans = decode_spans(logits, text.offsets, text.special)
    assert [(s.start, s.end, s.category) for s in spans] == [(s.start, s.end, s.category) for s in text.spans]
    assert all(0.5 < span.confidence <= 1 for span in spans)


def test_the_confidence_is_the_mean_softmax_probability() -> None:
    logits = np.zeros((2, 15))
    logits[0, begin_label(OBJECT)] = 2
    logits[1, begin_label(OBJECT) + 1] = 1000  # no overflow
    (span,) = decode_spans(logits, [(0, 3), (3, 5)], [False, False])
    assert (span.start, span.end, span.category) == (0, 5, OBJECT)
    assert math.isclose(span.confidence, (math.exp(2) / (math.exp(2) + 14) + 1) / 2)


def test_the_last_of_equal_logits_wins() -> None:
    logits = np.zeros((2, 15))
    logits[0, [begin_label(CHARACTER), begin_label(LOCATION)]] = 1
    (span,) = decode_spans(logits, [(0, 1), (1, 2)], [False, False])
    assert (span.start, span.end, span.category) == (0, 1, LOCATION)


@pytest.mark.parametrize("shape", [(3,), (3, 14), (1, 3, 15)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(StorytellerError, match=r"expected logits \[tokens, 15\], got shape"):
        decode_spans(np.zeros(shape), [(0, 1)] * 3, [False] * 3)


@pytest.mark.parametrize(
    ("spans", "labels"),
    [
        ([(4, 7)], "O B-OBJECT O O"),
        ([(4, 11)], "O B-OBJECT I-OBJECT O"),
        # Parts of a token count as the token.
        ([(5, 6)], "O B-OBJECT O O"),
        ([(6, 9)], "O B-OBJECT I-OBJECT O"),
        # A token that touches two spans belongs to the first.
        ([(4, 5), (5, 11)], "O B-OBJECT B-OBJECT O"),
        ([(4, 5), (5, 7)], "O B-OBJECT O O"),
        # Between tokens, and beyond the last.
        ([(3, 4)], "O O O O"),
        ([(40, 44)], "O O O O"),
        ([(8, 40)], "O O B-OBJECT I-OBJECT"),
        ([], "O O O O"),
    ],
)
def test_every_token_that_a_span_touches_is_labelled(spans: list[tuple[int, int]], labels: str) -> None:
    offsets = [(0, 3), (4, 7), (8, 11), (11, 12)]
    encoded = encode_bio([Span(start, end, OBJECT) for start, end in spans], offsets, [False] * 4)
    assert [BIO_LABELS[label] for label in encoded] == labels.split()


def test_a_token_without_width_does_not_cut_a_span() -> None:
    offsets = [(0, 3), (4, 4), (4, 7), (7, 7), (7, 9), (9, 9)]
    encoded = encode_bio([Span(4, 9, OBJECT)], offsets, [False] * 6)
    assert [BIO_LABELS[label] for label in encoded] == ["O", "B-OBJECT", "I-OBJECT", "I-OBJECT", "I-OBJECT", "O"]


def test_overlapping_and_empty_spans_are_refused() -> None:
    with pytest.raises(
        StorytellerError, match="overlap: OBJECT 0-5 and LOCATION 4-8; give each stretch of text to one"
    ):
        encode_bio([Span(4, 8, LOCATION), Span(0, 5, OBJECT)], [(0, 8)], [False])
    with pytest.raises(StorytellerError, match="OBJECT at 3 is empty"):
        encode_bio([Span(3, 3, OBJECT)], [(0, 8)], [False])


@given(st.text(max_size=20), st.data())
def test_byte_and_character_offsets_agree(text: str, data: st.DataObject) -> None:
    offsets = TextOffsets(text)
    character = data.draw(st.integers(0, len(text)))
    byte = offsets.to_byte(character)
    assert text.encode()[:byte].decode() == text[:character]
    assert offsets.to_character(byte) == character


@given(st.text(st.sampled_from("aé€😀"), min_size=1, max_size=8))
def test_only_the_byte_offsets_of_character_boundaries_have_a_character(text: str) -> None:
    offsets = TextOffsets(text)
    boundaries = {offsets.to_byte(character) for character in range(len(text) + 1)}
    for byte in range(len(text.encode()) + 1):
        if byte in boundaries:
            assert offsets.to_byte(offsets.to_character(byte)) == byte
        else:
            with pytest.raises(StorytellerError, match=f"byte offset {byte} of .* lies inside '[é€😀]'"):
                offsets.to_character(byte)


@given(tokenized())
def test_assembly_in_bytes_and_in_characters_gives_the_same_stretches_of_text(tokens: Tokenized) -> None:
    text = "".join("aé€😀"[place % 4] for place in range(max((end for _, end in tokens.offsets), default=0)))
    convert = TextOffsets(text)
    in_bytes = [(convert.to_byte(start), convert.to_byte(end)) for start, end in tokens.offsets]
    labels = encode_bio(tokens.spans, tokens.offsets, tokens.special).tolist()
    spans = assemble_spans(labels, [1.0] * len(labels), in_bytes, tokens.special)
    cut = [text.encode()[span.start : span.end].decode() for span in spans]
    assert cut == [text[span.start : span.end] for span in tokens.spans]


@pytest.mark.parametrize("text", ["abc", "aéc"])
def test_an_offset_outside_the_text_is_refused(text: str) -> None:
    offsets = TextOffsets(text)
    size = len(text.encode())
    for outside in (-1, 4):
        with pytest.raises(StorytellerError, match=f"character offset {outside} lies outside '{text}', 0 to 3"):
            offsets.to_byte(outside)
    for outside in (-1, size + 1):
        with pytest.raises(StorytellerError, match=f"byte offset {outside} lies outside '{text}', 0 to {size}"):
            offsets.to_character(outside)


def test_a_lone_surrogate_has_no_byte_offsets() -> None:
    with pytest.raises(StorytellerError, match="not valid Unicode text"):
        TextOffsets("ab\ud800")
