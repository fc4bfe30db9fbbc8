"""New training examples from old ones, by what the labels do not depend on.

The label rules of the engine's generator read a scenario sparingly (docs/recipe.md quotes them). So within a batch

- the emotional states are dealt out anew together with the dominant emotion, the one label that reads them, and the
  eight primaries inside each are permuted: the label follows the intensity it points at. States are drawn the more
  often the less their highest intensity leads, for in close ones there is more to learn;
- what no rule reads is dealt out anew: the relation to oneself, the kind of scene and its cast, the confidence and the
  targets of the event, and all of the relations but `trust_benevolence`.

Labels made by other rules need `augment` switched off.
"""

from __future__ import annotations

from functools import cache

import torch
from storyteller_schema.contract.features import FEATURES, RANGE
from storyteller_schema.contract.predictions import PREDICTIONS
from torch import Tensor

_EMOTIONS = FEATURES["emotional_state"]
_INTENSITY = _EMOTIONS.within_slot("intensity").start
#: A state whose highest intensity leads by this is dealt half as often as one whose two highest are equal.
_EASY_LEAD = 0.02
_DOMINANT = PREDICTIONS.span("thought.dominant_emotion_index").start


def _columns(region: str, *kept: str) -> list[int]:
    """The columns of a region, without those of the fields named."""
    place = FEATURES[region]
    without = {
        column
        for slot in range(place.slots)
        for field in kept
        for column in range(place.locate(field, slot).start, place.locate(field, slot).stop)
    }
    return [column for column in range(place.span.start, place.span.stop) if column not in without]


#: Groups of columns that no label depends on. A group stays together, so that what it tells stays plausible.
UNREAD: tuple[list[int], ...] = (
    _columns("self_edge"),
    _columns("relational_edges", *(f"trust_benevolence.{name}" for name in RANGE)),
    _columns("scene_context", "tension"),
    _columns("player_event", "event_type", "emotional_register"),
)


def augment(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Another batch of the same size, by torch's generator of the device.

    Args:
        features: [batch, inputs]; labels: [batch, outputs]. Neither is changed.
    """
    features, labels = features.clone(), labels.clone()
    states, dominant = _emotions(features, labels)
    features[:, _EMOTIONS.span] = states
    labels[:, _DOMINANT] = dominant
    for columns in _unread(features.device):
        # Columns before rows: fewer values are moved.
        dealt = features.index_select(1, columns).index_select(0, _order(features))
        features.index_copy_(1, columns, dealt)
    return features, labels


@cache
def _unread(device: torch.device) -> list[Tensor]:
    """`UNREAD` where it is needed; a list as an index would be copied to the device at every use."""
    return [torch.tensor(columns, device=device) for columns in UNREAD]


def _order(features: Tensor) -> Tensor:
    return torch.randperm(len(features), device=features.device)


def _emotions(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Emotional states [batch, 48] and the dominant emotion [batch] of each."""
    states = features[:, _EMOTIONS.span].view(len(features), _EMOTIONS.slots, _EMOTIONS.per_slot)
    highest = states[:, :, _INTENSITY].topk(2, dim=1).values
    lead = highest[:, 0] - highest[:, 1]
    order = torch.multinomial(1 / (lead + _EASY_LEAD), len(lead), replacement=True)
    states, dominant = states[order], labels[order, _DOMINANT].long()
    source = torch.rand(states.shape[:2], device=states.device).argsort(dim=1)
    # Of several that are the highest the last one counts, which a permutation would not keep.
    source = torch.where((lead[order] == 0)[:, None], torch.arange(_EMOTIONS.slots, device=source.device), source)
    permuted = states.gather(1, source[:, :, None].expand_as(states))
    return permuted.flatten(1), (source == dominant[:, None]).int().argmax(dim=1).to(labels.dtype)
