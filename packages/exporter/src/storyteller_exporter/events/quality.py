"""What rounding the weights costs: F1 of an int8 file beside that of the model it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from storyteller_schema.contract.spans import decode_spans
from storyteller_trainer.events.data.encoding import Encoded
from storyteller_trainer.events.data.partial import comparable
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.metrics import entity_scores, event_scores, predicted_kinds

from storyteller_exporter.checks.parity import Predictor
from storyteller_exporter.checks.verification_report import Change

#: F1 may fall by this much on data like the training data.
F1_LIMIT = 0.005
#: At most this many sentences are judged, evenly spaced over the file: each is one call of both models. A held-out set
#: of the sample data has fewer, so that it is judged whole, as `evaluate-classifier` scores it.
SENTENCES = 1000


def f1_scores(predict: Predictor, sentences: Sequence[Encoded], task: Task) -> dict[str, float]:
    """Macro F1 of the event kinds and F1 of exact entity spans, read as the engine reads them, a sentence a call."""
    kinds, spans = [], []
    ids = [sentence.ids[None] for sentence in sentences]
    outcomes = predict([{"input_ids": each, "attention_mask": np.ones_like(each)} for each in ids])
    for sentence, by_name in zip(sentences, outcomes, strict=True):
        outputs = list(by_name.values())
        if task.finds_events:
            kinds.append(predicted_kinds(outputs[0][0]))
        if task.finds_entities:
            found = decode_spans(outputs[-1][0], sentence.offsets, sentence.special)
            spans.append(comparable(sentence.spans, found, sentence.categories, sentence.several))
    scores: dict[str, float] = {}
    if task.finds_events:
        annotated = np.stack([sentence.kinds for sentence in sentences]) > 0
        known = np.array([sentence.kinds_annotated for sentence in sentences])
        scores["event macro F1"] = event_scores(annotated[known], np.stack(kinds)[known]).macro.f1
    if task.finds_entities:
        scores["entity F1"] = entity_scores([gold for gold, _ in spans], [guess for _, guess in spans]).micro.f1
    return scores


def changes(reference: Predictor, found: Predictor, sentences: Sequence[Encoded], task: Task) -> list[Change]:
    """How much worse each score became, with what is allowed."""
    before, after = f1_scores(reference, sentences, task), f1_scores(found, sentences, task)
    return [
        Change(name, value, after[name], F1_LIMIT, bool(value - after[name] <= F1_LIMIT))
        for name, value in before.items()
    ]
