"""The PyTorch model whose numbers an event or entity file has to give."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from storyteller_schema.contract.events import EventKind
from storyteller_trainer.events.model.checkpoint import EventCheckpoint
from storyteller_trainer.events.model.classifiers import Model, NerClassifier

from storyteller_exporter.events.file_metadata import is_aligned


def aligned(model: Model, thresholds: Mapping[str, float]) -> Model:
    """A copy whose logit of a kind is above 0 exactly where its probability was above its threshold.

    The engine holds a kind for told above a probability of 0.5, a logit of 0: each bias of the event head is lowered by
    the logit of the threshold. A kind without a threshold, and a model without an event head, stay as they are.
    """
    if isinstance(model, NerClassifier):
        return model
    shifted = copy.deepcopy(model)
    with torch.no_grad():
        for kind in EventKind:
            threshold = thresholds.get(kind.value, 0.5)
            shifted.event_head.bias[kind.position] -= math.log(threshold / (1 - threshold))
    return shifted


def reference_model(source: EventCheckpoint, metadata: Mapping[str, str]) -> Model:
    """The model that a file with these notes was made of."""
    return aligned(source.model, source.metadata.thresholds) if is_aligned(metadata) else source.model
