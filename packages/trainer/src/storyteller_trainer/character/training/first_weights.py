"""First weights that already see where the engine's rules change their mind.

Two labels follow from comparisons: the dominant emotion from which of two intensities is higher, awareness from whether
an axis lies above a bound. What the network still gets wrong lies close to these, where only a steep step helps, and
steep steps are what gradients take longest to make of small random weights. So some units of the first layer begin as
the two corners of such steps. The dominant emotion is a number from 0 to 7, and begins in the middle. All these weights
are trained like all others, and nothing of the network's form changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import cast

import torch
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from torch import nn

from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.character.rules.conditionals import AWARENESS_ABOVE

#: What a difference of intensities, and what an axis is multiplied by. A step takes half a unit to rise, so it spans a
#: sixteenth of the one and a thirty-second of the other.
_SLOPE_OF_PAIRS, _SLOPE_OF_AXES = 8.0, 16.0
#: From the middle of a step to its corners.
_CORNERS = (0.25, -0.25)


def begin_by_rules(model: CharacterModel) -> None:
    """Gives a network the first weights that go with the engine's rules, in place; the rest stay as they are."""
    begin_with_steps(model.first_layer)
    last = cast(nn.Linear, model.get_submodule("heads.thought.2"))
    with torch.no_grad():
        last.bias[PREDICTIONS["thought"].within_slot("dominant_emotion_index")] = (len(Primary) - 1) / 2


def begin_with_steps(layer: nn.Linear) -> None:
    """Gives the first units of a layer over all inputs the corners of steps, in place; the rest stay as they are.

    Two for every ordered pair of primaries, rising where the first one's intensity exceeds the second one's, and two
    for every slot of an axis and every bound of awareness: 112 and 96.

    Args:
        layer: inputs-units, with at least 208 units.
    """
    with torch.no_grad():
        corners = ((weights, bias + corner) for weights, bias in _steps() for corner in _CORNERS)
        for unit, (weights, bias) in enumerate(corners):
            layer.weight[unit] = 0
            for column, weight in weights.items():
                layer.weight[unit, column] = weight
            layer.bias[unit] = bias


def _steps() -> Iterator[tuple[dict[int, float], float]]:
    """Of each step the weights by column, and the bias that puts its middle where the comparison is even."""
    states, axes = FEATURES["emotional_state"], FEATURES["tensor"]
    intensities = [states.locate("intensity", slot).start for slot in range(states.slots)]
    for higher, lower in permutations(intensities, 2):
        yield {higher: _SLOPE_OF_PAIRS, lower: -_SLOPE_OF_PAIRS}, 0.0
    for slot in range(axes.slots):
        for bound in AWARENESS_ABOVE.values():
            yield {axes.locate("central_tendency", slot).start: _SLOPE_OF_AXES}, -_SLOPE_OF_AXES * bound
