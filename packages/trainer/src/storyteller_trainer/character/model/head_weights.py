"""How much each head counts in the loss."""

from __future__ import annotations

#: The share of each head in the weighted loss, as in the reference recipe.
HEAD_WEIGHTS: dict[str, float] = {"action": 0.35, "speech": 0.20, "thought": 0.20, "emotion": 0.25}
