"""How good a model is on a set of examples, read as the engine reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from storyteller_schema.contract.events import Span, event_probabilities
from storyteller_schema.contract.spans import decode_spans

from storyteller_trainer.events.data.encoding import Encoded, collate, evaluation_order
from storyteller_trainer.events.data.partial import comparable
from storyteller_trainer.events.model.classifiers import Model, named_logits
from storyteller_trainer.events.model.losses import task_losses
from storyteller_trainer.events.model.metrics import Scores, entity_scores, event_scores, predicted_kinds
from storyteller_trainer.events.model.thresholds import best_thresholds

#: Sentences in one forward pass; without gradients more fit, and 64 of similar length keep two cores busy.
EVALUATION_BATCH = 64


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Losses and scores of the tasks that the model has."""

    #: `event` and/or `ner`, the mean over sentences.
    losses: dict[str, float]
    events: Scores | None
    entities: Scores | None
    #: Kind to the threshold with the best F1 here; only of the part that chooses the epoch.
    thresholds: dict[str, float] = {}

    def summary(self) -> dict[str, float]:
        """The headline scores by name: `macro_f1`, `micro_f1` (of event kinds), `entity_f1`."""
        found: dict[str, float] = {}
        if self.events is not None:
            found |= {"macro_f1": self.events.macro.f1, "micro_f1": self.events.micro.f1}
        if self.entities is not None:
            found |= {"entity_f1": self.entities.micro.f1}
        return found

    @property
    def score(self) -> float:
        """What chooses the best epoch: macro F1 of the kinds, entity F1, or the mean of both."""
        scores = [self.events.macro.f1] if self.events is not None else []
        scores += [self.entities.micro.f1] if self.entities is not None else []
        return float(np.mean(scores))


@torch.no_grad()
def evaluate(
    model: Model,
    items: Sequence[Encoded],
    device: torch.device,
    label_weights: torch.Tensor,
    *,
    choosing: bool = False,
) -> Evaluation:
    """Runs a model, in eval mode, over encoded examples.

    Args:
        label_weights: [15], of the entity loss.
        choosing: choose thresholds of the kinds, too; the scores are by the engine's 0.5 always.
    """
    was_training = model.training
    model.eval()
    kinds = np.zeros((len(items), len(items[0].kinds)), np.bool_)
    chances = np.zeros(kinds.shape, np.float32)
    spans: list[list[Span]] = [[] for _ in items]
    sums: dict[str, float] = defaultdict(float)
    tasks: set[str] = set()
    for rows in evaluation_order([len(item.ids) for item in items], EVALUATION_BATCH):
        batch = collate([items[row] for row in rows]).to(device)
        logits = named_logits(model, batch.input_ids, batch.attention_mask)
        tasks |= logits.keys()
        for name, loss in task_losses(logits, batch, label_weights).items():
            sums[name] += loss.item() * len(rows)
        found = {name: tensor.float().cpu().numpy() for name, tensor in logits.items()}
        if "event" in found:
            kinds[rows] = predicted_kinds(found["event"])
            chances[rows] = event_probabilities(found["event"])
        if "ner" in found:
            for row, row_logits in zip(rows, found["ner"], strict=True):
                item = items[row]
                spans[row] = decode_spans(row_logits[: len(item.ids)], item.offsets, item.special)
    model.train(was_training)
    annotated = np.stack([item.kinds for item in items]) > 0
    chooses = choosing and "event" in tasks
    known = np.array([item.kinds_annotated for item in items])
    pairs = [
        comparable(item.spans, found, item.categories, item.several) for item, found in zip(items, spans, strict=True)
    ]
    return Evaluation(
        losses={name: total / len(items) for name, total in sums.items()},
        events=event_scores(annotated[known], kinds[known]) if "event" in tasks else None,
        entities=entity_scores([gold for gold, _ in pairs], [found for _, found in pairs]) if "ner" in tasks else None,
        thresholds=best_thresholds(annotated[known], chances[known]) if chooses else {},
    )
