"""Scenarios written by hand, for tests of the label rules and of what draws by them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from storyteller_schema.contract.enums import AwarenessLevel, EmotionalRegister, EventType, Primary
from storyteller_schema.contract.features import FEATURES
from storyteller_trainer.character.rules.array_views import feature, slots_of
from storyteller_trainer.character.rules.axes import LABEL_AXES
from storyteller_trainer.sample.character.scenarios import Scenarios


def make_scenario(
    *,
    event: EventType = EventType.SPEECH,
    register: EmotionalRegister = EmotionalRegister.NEUTRAL,
    tension: float = 0.5,
    axes: Mapping[str, float] | None = None,
    edge: Mapping[str, float] | None = None,
    emotions: Mapping[Primary, tuple[float, AwarenessLevel]] | None = None,
    n: int = 1,
) -> Scenarios:
    """n equal scenarios of which only what label rules and coherence read is set."""
    features = np.zeros((n, FEATURES.size), np.float32)
    feature(features, "player_event.event_type")[:, event.position] = 1
    feature(features, "player_event.emotional_register")[:, register.position] = 1
    feature(features, "scene_context.tension")[:] = tension
    for name, value in (edge or {}).items():
        feature(features, f"relational_edges.{name}.central_tendency")[:] = value
    for primary, (intensity, awareness) in (emotions or {}).items():
        slot = slots_of(features, "emotional_state")[:, primary.position]
        slot[:, 0] = intensity
        slot[:, 1 + awareness.position] = 1
    known = {**LABEL_AXES, **(axes or {})}
    return Scenarios(features=features, axes={name: np.full(n, value, np.float32) for name, value in known.items()})
