"""New training examples from old ones, by what no label rule reads of an archetype's axes.

Where an axis lies among the features depends on the archetype, so this needs to know the places of the axes; the other
half of the augmentation, `augment.py`, does not. Among the examples of a batch whose axes lie alike

- all that is told of an axis that no rule reads is dealt out anew, and of the five that rules read all but the central
  tendency;
- the central tendency of self-awareness is dealt out anew together with the awareness of the thought, the one label
  that reads it. It is drawn the more often the closer it lies to a bound of that rule, for there is more to learn.

An example whose axes lie as no known archetype's do stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from storyteller_schema.contract.features import FEATURES, RANGE
from storyteller_schema.contract.predictions import PREDICTIONS
from torch import Tensor

from storyteller_trainer.character.rules.array_views import Bool, Float32, Int
from storyteller_trainer.character.rules.axes import ABSENT, MARKS, AxisPlaces
from storyteller_trainer.character.rules.conditionals import AWARENESS_ABOVE

_AXES = FEATURES["tensor"]
_AWARENESS = PREDICTIONS.span("thought.awareness")
#: A value that lies this far from the nearest bound is dealt half as often as one that lies on it.
_EASY_DISTANCE = 0.02


class AxisDealer:
    """Deals axes out anew among examples that have them in the same places."""

    def __init__(self, places: AxisPlaces, device: torch.device) -> None:
        """
        Args:
            places: of the axes of the data's archetypes.
            device: on which batches lie.
        """
        layouts = _layouts(places)
        self._marks = torch.from_numpy(layouts.marks).to(device)
        self._dealt = torch.from_numpy(layouts.dealt).to(device)
        self._slot = torch.from_numpy(layouts.slot).to(device)
        self._bounds = torch.tensor(list(AWARENESS_ABOVE.values()), device=device)

    def __call__(self, features: Tensor, labels: Tensor) -> None:
        """Changes a batch in place, by torch's generator of the device.

        Args:
            features: [batch, inputs]; labels: [batch, outputs].
        """
        axes = features[:, _AXES.span].view(len(features), _AXES.slots, _AXES.per_slot)
        layout = self._layout(axes[:, :, len(RANGE) :].flatten(1))
        alike = _Alike(layout)

        told = axes[:, :, : len(RANGE)]
        told.copy_(torch.where(self._dealt[layout], told[alike.draw(torch.ones_like(features[:, 0]))], told))

        slot = self._slot[layout][:, None]
        has = slot != ABSENT
        slot = slot.clamp(min=0)
        value = axes[:, :, 0].gather(1, slot)
        drawn = alike.draw(1 / ((value - self._bounds).abs().amin(dim=1) + _EASY_DISTANCE))
        axes[:, :, 0].scatter_(1, slot, torch.where(has, value[drawn], value))
        awareness = labels[:, _AWARENESS]
        awareness.copy_(torch.where(has, awareness[drawn], awareness))

    def _layout(self, marks: Tensor) -> Tensor:
        """The layout [batch] of each example's marks [batch, 144]; the number of layouts stands for none of them."""
        # One-hots are the same where all ones of either side are shared.
        shared = marks @ self._marks.T
        same = (shared == self._marks.sum(dim=1)) & (shared == marks.sum(dim=1, keepdim=True))
        return torch.where(same.any(dim=1), same.int().argmax(dim=1), len(self._marks))


class _Alike:
    """The examples of a batch, by their layout."""

    def __init__(self, layout: Tensor) -> None:
        """
        Args:
            layout: [batch], of each example.
        """
        ordered, self._order = layout.sort()
        #: Of each example the first and the last one of its layout, in this order.
        self._first = torch.searchsorted(ordered, layout)
        self._last = torch.searchsorted(ordered, layout, right=True) - 1

    def draw(self, weights: Tensor) -> Tensor:
        """For each example one of its own layout [batch], in proportion to the weights [batch] float32 of those."""
        upto = weights[self._order].cumsum(0)
        start = upto[self._first] - weights[self._order[self._first]]
        drawn = torch.lerp(start, upto[self._last], torch.rand_like(weights))
        # Where sums are rounded a draw could fall just beside its layout.
        return self._order[torch.searchsorted(upto, drawn, right=True).clamp(self._first, self._last)]


class _Layouts(NamedTuple):
    """Where axes lie: G layouts, and one more that stands for unknown ones. Archetypes of equal marks share one."""

    #: [G, 144]: the one-hots of temporal layer and provenance in all slots.
    marks: Float32
    #: [G + 1, 16, 4]: whether a value is dealt out.
    dealt: Bool
    #: [G + 1]: of self-awareness; ABSENT where not all archetypes of the layout have it in the same slot.
    slot: Int


def _layouts(places: AxisPlaces) -> _Layouts:
    marks, layout = np.unique(places.marks.reshape(len(places.archetypes), -1), axis=0, return_inverse=True)
    dealt = np.ones((len(marks) + 1, MARKS[0], len(RANGE)), bool)
    dealt[-1] = False
    awareness = np.full(len(marks) + 1, ABSENT, np.intp)
    for number in range(len(marks)):
        members = layout == number
        for slots in places.slots.values():
            read = slots[members]
            dealt[number, read[(read != ABSENT) & (read < MARKS[0])], 0] = False
        found = np.unique(places.slots["self_awareness"][members])
        if len(found) == 1 and found[0] < MARKS[0]:
            awareness[number] = found[0]
    return _Layouts(marks, dealt, awareness)
