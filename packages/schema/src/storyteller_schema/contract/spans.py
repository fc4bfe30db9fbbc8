"""Entity spans: from token labels to spans as the engine assembles them, from spans to token labels, and offsets.

The engine counts in UTF-8 bytes; Python's strings and tokenizers count in characters. Assembly and BIO encoding work
with either, as long as spans and token offsets use the same; `TextOffsets` converts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX, EntityCategory, Span
from storyteller_schema.contract.rules import last_argmax

#: The label id of a token outside every entity. B- of a category is `1 + 2 * position`, and I- the next id.
OUTSIDE = BIO_LABELS.index("O")


def begin_label(category: EntityCategory) -> int:
    """The label id of the first token of an entity; the id of the tokens after it is one more."""
    return 1 + 2 * category.position


def assemble_spans(
    label_ids: Sequence[int],
    confidences: Sequence[float],
    offsets: Sequence[tuple[int, int]],
    special: Sequence[bool],
) -> list[Span]:
    """Joins the tokens of one text into spans, by the engine's strict rules.

    B-X opens a span and closes an open one; I-X extends an open span of X and nothing else; every other label, and a
    special token, closes the open span; an I-X that extends nothing is dropped.

    Args:
        label_ids: index into BIO_LABELS, one per token; not looked at where `special` is true.
        confidences: softmax probability of that label, one per token.
        offsets: start and end of each token in the text; the spans count as these do.
        special: true for a token that stands for no text, such as [CLS] or padding.

    Returns:
        Spans in the order of their tokens; each has the mean probability of its tokens.

    Raises:
        StorytellerError: the four differ in length, or a label id is not one of BIO_LABELS.
    """
    lengths = (len(label_ids), len(confidences), len(offsets), len(special))
    if len(set(lengths)) != 1:
        raise StorytellerError(f"labels, confidences, offsets and special flags have lengths {lengths}; expected equal")
    categories = tuple(EntityCategory)
    spans: list[Span] = []
    open_label = OUTSIDE  # the I- id that would extend the open span
    tokens: list[int] = []

    def close() -> None:
        nonlocal open_label
        if tokens:
            start, end = offsets[tokens[0]][0], offsets[tokens[-1]][1]
            mean = sum(float(confidences[token]) for token in tokens) / len(tokens)
            spans.append(Span(int(start), int(end), categories[(open_label - 1) // 2], mean))
        open_label = OUTSIDE
        tokens.clear()

    for token, (label, is_special) in enumerate(zip(label_ids, special, strict=True)):
        if not is_special and not 0 <= label < len(BIO_LABELS):
            raise StorytellerError(f"token {token} has label id {label}; expected 0 to {len(BIO_LABELS) - 1}")
        if is_special or label == OUTSIDE:
            close()
        elif label % 2 == 1:
            close()
            open_label = label + 1
            tokens.append(token)
        elif label == open_label:
            tokens.append(token)
        else:
            close()
    close()
    return spans


def decode_spans(logits: ArrayLike, offsets: Sequence[tuple[int, int]], special: Sequence[bool]) -> list[Span]:
    """Spans of one text from its logits [tokens, 15]: softmax and argmax per token, then `assemble_spans`.

    On equal logits the last label wins, as everywhere in the engine. Softmax is computed in float64.

    Raises:
        StorytellerError: the logits have another shape, or another number of tokens than offsets and flags.
    """
    raw = np.asarray(logits, dtype=np.float64)
    if raw.ndim != 2 or raw.shape[1] != len(BIO_LABELS):
        raise StorytellerError(f"expected logits [tokens, {len(BIO_LABELS)}], got shape {raw.shape}")
    label_ids = last_argmax(raw)
    exponentials = np.exp(raw - raw.max(axis=1, keepdims=True))
    best = np.take_along_axis(exponentials, label_ids[:, None], axis=1)[:, 0] / exponentials.sum(axis=1)
    return assemble_spans(label_ids.tolist(), best.tolist(), offsets, special)


def encode_bio(spans: Iterable[Span], offsets: Sequence[tuple[int, int]], special: Sequence[bool]) -> NDArray[np.int64]:
    """Label ids [tokens] for training: B- on the first token a span touches, I- on the others, O elsewhere.

    A special token gets IGNORE_INDEX. A token that touches two spans belongs to the first, and a span that is left
    without a token leaves no label. Spans that start and end where tokens do come back unchanged from `assemble_spans`.

    Raises:
        StorytellerError: a span is empty, two spans overlap, or offsets and flags differ in length.
    """
    if len(offsets) != len(special):
        raise StorytellerError(f"{len(offsets)} token offsets but {len(special)} special flags; expected equal numbers")
    ordered = sorted(spans, key=lambda span: span.start)
    for span in ordered:
        if span.start == span.end:
            raise StorytellerError(f"entity span of {span.category} at {span.start} is empty; it cannot be labelled")
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise StorytellerError(
                f"entity spans overlap: {before.category} {before.start}-{before.end} and "
                f"{after.category} {after.start}-{after.end}; give each stretch of text to one entity"
            )
    labels = np.full(len(offsets), OUTSIDE, dtype=np.int64)
    position, started = 0, False
    for token, ((start, end), is_special) in enumerate(zip(offsets, special, strict=True)):
        if is_special:
            labels[token] = IGNORE_INDEX
            continue
        while position < len(ordered) and ordered[position].end <= start:
            position, started = position + 1, False
        if position == len(ordered):
            continue
        span = ordered[position]
        # A token without width at the span's start belongs to it; one with width must reach past that start.
        if end > span.start or start == end == span.start:
            labels[token] = begin_label(span.category) + started
            started = True
    return labels


class TextOffsets:
    """Converts between character offsets and UTF-8 byte offsets of one text."""

    def __init__(self, text: str) -> None:
        """
        Raises:
            StorytellerError: the text holds a lone surrogate, which UTF-8 cannot write.
        """
        self.text = text
        #: The byte offset of every character boundary, [characters + 1]; None where both counts agree.
        self._boundaries: list[int] | None = None
        if not text.isascii():
            try:
                self._boundaries = list(accumulate((len(character.encode()) for character in text), initial=0))
            except UnicodeEncodeError as error:
                raise StorytellerError(f"character {error.object!r} of {text!r} is not valid Unicode text") from error

    def to_byte(self, character: int) -> int:
        """The byte offset of a character offset.

        Raises:
            StorytellerError: the offset lies outside the text.
        """
        if not 0 <= character <= len(self.text):
            raise StorytellerError(f"character offset {character} lies outside {self.text!r}, 0 to {len(self.text)}")
        return character if self._boundaries is None else self._boundaries[character]

    def to_character(self, byte: int) -> int:
        """The character offset of a byte offset.

        Raises:
            StorytellerError: the offset lies outside the text or inside a character's UTF-8 sequence.
        """
        size = len(self.text) if self._boundaries is None else self._boundaries[-1]
        if not 0 <= byte <= size:
            raise StorytellerError(f"byte offset {byte} lies outside {self.text!r}, 0 to {size}")
        if self._boundaries is None:
            return byte
        character = bisect_left(self._boundaries, byte)
        if self._boundaries[character] != byte:
            raise StorytellerError(f"byte offset {byte} of {self.text!r} lies inside {self.text[character - 1]!r}")
        return character
