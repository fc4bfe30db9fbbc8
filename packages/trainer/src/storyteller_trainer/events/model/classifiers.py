"""The classifiers: a pre-trained encoder with one small linear head for each task.

Shapes: B sentences, S tokens, H the encoder's hidden size, K = 8 event kinds, L = 15 BIO labels.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from storyteller_schema.contract.events import BIO_LABELS, EventKind
from torch import Tensor, nn
from transformers import PreTrainedModel

#: Dropout before a head, as the encoders themselves use it inside.
HEAD_DROPOUT = 0.1


class Task(StrEnum):
    """What a model is trained for."""

    EVENT = "event"
    NER = "ner"
    JOINT = "joint"

    @property
    def finds_events(self) -> bool:
        """The model says which event kinds a sentence tells."""
        return self is not Task.NER

    @property
    def finds_entities(self) -> bool:
        """The model labels each token."""
        return self is not Task.EVENT


def masked_mean(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean hidden state of the tokens that are there.

    Args:
        hidden: [B, S, H].
        attention_mask: [B, S], 1 for a token and 0 for padding; a row without any token gives zeros.

    Returns:
        [B, H].
    """
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)


class _Classifier(nn.Module):
    """An encoder whose own pooling layer, which no task here uses, is left out."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.add_module("pooler", None)
        self.encoder = encoder
        self.dropout = nn.Dropout(HEAD_DROPOUT)

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """[B, S] int64 twice to hidden states [B, S, H]."""
        hidden: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return hidden

    def head(self, outputs: int) -> nn.Linear:
        """A linear head on the encoder's hidden size, initialised as the encoder's own layers are."""
        linear = nn.Linear(self.encoder.config.hidden_size, outputs)
        nn.init.normal_(linear.weight, std=0.02)
        nn.init.zeros_(linear.bias)
        return linear


class EventClassifier(_Classifier):
    """Which event kinds a sentence tells: one logit for each, on the mean hidden state."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__(encoder)
        self.event_head = self.head(len(EventKind))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """[B, S] int64 twice to logits [B, K]."""
        hidden = self.encode(input_ids, attention_mask)
        logits: Tensor = self.event_head(self.dropout(masked_mean(hidden, attention_mask)))
        return logits


class NerClassifier(_Classifier):
    """Which BIO label each token has."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__(encoder)
        self.ner_head = self.head(len(BIO_LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """[B, S] int64 twice to logits [B, S, L]."""
        logits: Tensor = self.ner_head(self.dropout(self.encode(input_ids, attention_mask)))
        return logits


class JointClassifier(_Classifier):
    """Both tasks on one run of one encoder."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__(encoder)
        self.event_head = self.head(len(EventKind))
        self.ner_head = self.head(len(BIO_LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """[B, S] int64 twice to `event_logits` [B, K] and `ner_logits` [B, S, L]."""
        hidden = self.encode(input_ids, attention_mask)
        return {
            "event_logits": self.event_head(self.dropout(masked_mean(hidden, attention_mask))),
            "ner_logits": self.ner_head(self.dropout(hidden)),
        }


Model = EventClassifier | NerClassifier | JointClassifier

CLASSIFIERS: dict[Task, type[EventClassifier] | type[NerClassifier] | type[JointClassifier]] = {
    Task.EVENT: EventClassifier,
    Task.NER: NerClassifier,
    Task.JOINT: JointClassifier,
}


def build_model(task: Task, encoder: PreTrainedModel) -> Model:
    """The classifier of a task around an encoder; the heads are new, drawn from PyTorch's default generator."""
    return CLASSIFIERS[task](encoder)


def named_logits(model: Model, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
    """What the model says, by task: `event` [B, K] and/or `ner` [B, S, L]."""
    outputs = model(input_ids, attention_mask)
    if isinstance(outputs, torch.Tensor):
        return {"ner" if isinstance(model, NerClassifier) else "event": outputs}
    return {"event": outputs["event_logits"], "ner": outputs["ner_logits"]}
