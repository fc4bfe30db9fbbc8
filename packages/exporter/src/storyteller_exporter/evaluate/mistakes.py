"""The worst mistakes, in a form that a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from storyteller_schema.contract.events import EventKind, Span
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.metrics import places

from storyteller_exporter.evaluate.engine_events import SentencePrediction


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence that was not read right."""

    id: str
    register: str
    #: Kinds and entities that were missed, and such as are not there. An entity with wrong borders or category is
    #: both: it was missed, and another is not there.
    errors: int
    annotated_kinds: list[EventKind]
    predicted_kinds: list[EventKind]
    #: Of the kinds that were missed or are not there.
    probabilities: dict[EventKind, float]
    #: The text with its entities marked: `The [lantern|OBJECT] goes out.`
    annotated: str
    predicted: str


def worst_mistakes(
    examples: Sequence[EventExample],
    annotated: Sequence[Sequence[Span]],
    predictions: Sequence[SentencePrediction],
    count: int,
) -> list[Mistake]:
    """The sentences with the most errors; among equals first those of which the model was surest.

    Sure means: far from the right answer in the probability of wrong kinds, and high in the confidence of wrong spans.
    """
    ranked: list[tuple[float, float, int, Mistake]] = []
    for index, (example, spans, prediction) in enumerate(zip(examples, annotated, predictions, strict=True)):
        wrong_kinds = set(example.event_kinds) ^ set(prediction.kinds)
        missed = places(spans) - places(prediction.spans)
        wrong = places(prediction.spans) - places(spans)
        errors = len(wrong_kinds) + missed.total() + wrong.total()
        if not errors:
            continue
        chances = {kind: prediction.probabilities[kind.position] for kind in EventKind if kind in wrong_kinds}
        sureness = sum(abs(chances[kind] - (kind in example.event_kinds)) for kind in chances)
        sureness += sum(span.confidence for span in prediction.spans if places([span]) & wrong)
        mistake = Mistake(
            id=example.id,
            register=example.register,
            errors=errors,
            annotated_kinds=sorted(example.event_kinds, key=lambda kind: kind.position),
            predicted_kinds=list(prediction.kinds),
            probabilities=chances,
            annotated=marked(example.text, spans),
            predicted=marked(example.text, prediction.spans),
        )
        ranked.append((-errors, -sureness, index, mistake))
    return [mistake for *_, mistake in sorted(ranked, key=lambda entry: entry[:3])[:count]]


def marked(text: str, spans: Iterable[Span]) -> str:
    """The text with each span, in bytes, as `[words|CATEGORY]`; of overlapping ones only the first is shown."""
    source, parts, place = text.encode(), [], 0
    for span in sorted(spans, key=lambda span: span.start):
        if span.start >= place:
            words = source[span.start : span.end].decode(errors="replace")
            parts.append(f"{source[place : span.start].decode(errors='replace')}[{words}|{span.category}]")
            place = span.end
    return "".join(parts) + source[place:].decode(errors="replace")
