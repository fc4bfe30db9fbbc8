"""From examples to tokens, labels and batches.

Shapes: B sentences in a batch, S tokens of its longest one, K = 8 event kinds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX, MAX_SEQ_LENGTH, EntityCategory, EventKind, Span
from storyteller_schema.contract.onnx import PAD_ID
from storyteller_schema.contract.spans import TextOffsets, assemble_spans, encode_bio
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.partial import Choices, annotated_categories, choices, open_labels


@dataclass(frozen=True)
class Encoded:
    """One example as a model sees it."""

    #: [tokens] int64, at most 128, special tokens included.
    ids: NDArray[np.int64]
    #: [K] float32, 1 where the kind holds.
    kinds: NDArray[np.float32]
    #: [tokens] int64, index into BIO_LABELS; IGNORE_INDEX for special tokens.
    labels: NDArray[np.int64]
    #: Each token's bytes in the text.
    offsets: list[tuple[int, int]]
    #: True for a token that stands for no text.
    special: list[bool]
    #: The annotated entities, in bytes, those included that the labels cannot express.
    spans: list[Span]
    #: [tokens, 15] bool, the labels that the annotation leaves open; None where each token has but its own.
    allowed: NDArray[np.bool_] | None = None
    #: False where nobody annotated kinds; `kinds` then says nothing.
    kinds_annotated: bool = True
    #: The categories that were annotated.
    categories: frozenset[EntityCategory] = frozenset(EntityCategory)
    #: The entities that may have several categories.
    several: Choices = field(default_factory=dict)
    #: How much the sentence counts in training.
    weight: float = 1.0


@dataclass(frozen=True)
class Encodings:
    """A set of examples, encoded, and what of it the labels cannot express."""

    items: list[Encoded]
    #: Texts of more than 128 tokens, which are cut as the engine cuts them.
    cut_texts: int
    #: Entities behind that cut, or through it.
    cut_entities: int
    #: Entities that begin or end inside a token; their labels cover the whole token.
    unaligned_entities: int
    #: Entities whose last character has a mark that the tokenizer drops: an accent, a vowel sign, a variation selector.
    dropped_marks: int = 0

    def notices(self) -> list[str]:
        """One line for each thing that is lost or that nobody annotated; none when nothing is."""
        lines = []
        without_kinds = sum(not item.kinds_annotated for item in self.items)
        partly = sum(len(item.categories) < len(EntityCategory) for item in self.items)
        if without_kinds:
            lines.append(f"the kinds of {without_kinds} sentences were not annotated: they count in no score of kinds")
        if partly:
            lines.append(f"some categories of {partly} sentences were not annotated: what is found of them is left out")
        if self.cut_texts:
            lines.append(
                f"{self.cut_texts} texts were cut after {MAX_SEQ_LENGTH} tokens: {self.cut_entities} entities lost"
            )
        if self.dropped_marks:
            lines.append(
                f"{self.dropped_marks} entities end in a mark that the tokenizer drops; the engine's span ends before "
                "it, and counts as wrong"
            )
        if self.unaligned_entities:
            lines.append(
                f"{self.unaligned_entities} entities begin or end inside a token; no model can find them exactly"
            )
        return lines


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    """Tokens of each text, special tokens included, cut after 128 as the engine cuts, not padded."""
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_SEQ_LENGTH)
    return tokenizer.encode_batch(list(texts))


def byte_offsets(encoding: Encoding, text: str) -> list[tuple[int, int]]:
    """Each token's start and end in bytes of UTF-8; the tokenizer counts characters."""
    if text.isascii():
        return list(encoding.offsets)
    to_byte = TextOffsets(text).to_byte
    return [(to_byte(start), to_byte(end)) for start, end in encoding.offsets]


def encode(examples: Sequence[EventExample], tokenizer: Tokenizer) -> Encodings:
    """Tokenises and labels examples."""
    items: list[Encoded] = []
    cut_texts = cut_entities = unaligned = dropped = 0
    for example, encoding in zip(examples, tokenize(tokenizer, [e.text for e in examples]), strict=True):
        offsets = byte_offsets(encoding, example.text)
        special = [bool(flag) for flag in encoding.special_tokens_mask]
        spans = [Span(entity.start, entity.end, entity.category) for entity in example.entities]
        labels = encode_bio(spans, offsets, special)
        cut = len(encoding.overflowing) > 0
        end = max((end for _, end in offsets), default=0)
        lost = sum(span.end > end for span in spans) if cut else 0
        found = assemble_spans(labels.tolist(), [1.0] * len(labels), offsets, special)
        cut_texts += cut
        cut_entities += lost
        marks = _dropped_marks(example.text, set(spans) - set(found), found)
        unaligned += len(set(spans) - set(found)) - lost - marks
        dropped += marks
        kinds = np.zeros(len(EventKind), np.float32)
        kinds[[kind.position for kind in example.event_kinds]] = 1
        items.append(
            Encoded(
                ids=np.array(encoding.ids, np.int64),
                kinds=kinds,
                labels=labels,
                offsets=offsets,
                special=special,
                spans=spans,
                allowed=open_labels(example, labels, offsets),
                kinds_annotated=example.kinds_annotated,
                categories=annotated_categories(example),
                several=choices(example),
                weight=example.weight,
            )
        )
    return Encodings(items, cut_texts, cut_entities, unaligned, dropped)


def _dropped_marks(text: str, missed: Collection[Span], found: Sequence[Span]) -> int:
    """Of the missed spans, those that are found but for marks at their end, which no token covers."""
    if text.isascii() or not missed:
        return 0
    source = text.encode()
    ends = {(span.start, span.category): span.end for span in found}
    count = 0
    for span in missed:
        end = ends.get((span.start, span.category), span.end)
        rest = source[end : span.end].decode(errors="replace")
        count += bool(rest) and all(unicodedata.category(character).startswith("M") for character in rest)
    return count


@dataclass(frozen=True)
class Batch:
    """Sentences of one step, right-padded to the longest."""

    #: [B, S] int64.
    input_ids: Tensor
    #: [B, S] int64, 1 for a token, 0 for padding.
    attention_mask: Tensor
    #: [B, K] float32.
    kinds: Tensor
    #: [B, S] int64, IGNORE_INDEX for padding and special tokens.
    labels: Tensor
    #: [B, S, 15] bool, the labels that each token may have; None where each has but its own.
    allowed: Tensor | None = None
    #: [B] float32, how much each sentence counts; None where all count 1.
    weights: Tensor | None = None
    #: [B] float32, the same for the kinds: 0 where they were not annotated.
    kind_weights: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        moved: dict[str, Any] = {
            name: None if tensor is None else tensor.to(device) for name, tensor in vars(self).items()
        }
        return Batch(**moved)


def collate(items: Sequence[Encoded], length: int | None = None) -> Batch:
    """Pads to the longest item, or to `length`."""
    width = length or max(len(item.ids) for item in items)
    ids = np.full((len(items), width), PAD_ID, np.int64)
    mask = np.zeros((len(items), width), np.int64)
    labels = np.full((len(items), width), IGNORE_INDEX, np.int64)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = item.ids
        mask[row, : len(item.ids)] = 1
        labels[row, : len(item.ids)] = item.labels
    kinds = np.stack([item.kinds for item in items])
    weights = np.array([item.weight for item in items], np.float32)
    kind_weights = weights * np.array([item.kinds_annotated for item in items])
    return Batch(
        input_ids=torch.from_numpy(ids),
        attention_mask=torch.from_numpy(mask),
        kinds=torch.from_numpy(kinds),
        labels=torch.from_numpy(labels),
        allowed=_allowed(items, labels),
        weights=None if (weights == 1).all() else torch.from_numpy(weights),
        kind_weights=None if (kind_weights == 1).all() else torch.from_numpy(kind_weights.astype(np.float32)),
    )


def _allowed(items: Sequence[Encoded], labels: NDArray[np.int64]) -> Tensor | None:
    """[B, S, 15] bool for labels [B, S]; None where no sentence leaves anything open."""
    if all(item.allowed is None for item in items):
        return None
    allowed = np.eye(len(BIO_LABELS), dtype=np.bool_)[np.maximum(labels, 0)]
    allowed[labels == IGNORE_INDEX] = True
    for row, item in enumerate(items):
        if item.allowed is not None:
            allowed[row, : len(item.ids)] = item.allowed
    return torch.from_numpy(allowed)


#: Batches of similar length are cut from pools of this many batches: enough to find equals, and still mixed.
POOL_BATCHES = 50


def training_order(lengths: Sequence[int], batch_size: int, generator: torch.Generator) -> list[list[int]]:
    """Batches for one epoch: every example once, of similar length within a batch, batches in random order."""
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    pool = batch_size * POOL_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(shuffled), pool):
        by_length = sorted(shuffled[start : start + pool], key=lambda index: lengths[index])
        batches += [by_length[first : first + batch_size] for first in range(0, len(by_length), batch_size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def evaluation_order(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Batches of similar length, each example once."""
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
