"""What docs/vectors.md says about regions and fields beyond what the schema declares, for write_docs.py."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What a float says, and where its values lie in generated data."""

    text: str
    low: float | None = None
    high: float | None = None


#: How the engine fills the slots of an input region.
FILLED: dict[str, str] = {
    "tensor": "The axes in ascending order of their name (by bytes), the first {slots} of them. Which axis a slot "
    "holds therefore depends on which axes the character has: a slot has no name of its own.",
    "emotional_state": "One slot a primary, in this order; a primary that the character lacks is an empty slot.",
    "self_edge": "Always filled.",
    "relational_edges": "The first {slots} relations in the order in which the engine holds them; a relation without a "
    "role counts as Periphery. The generator fills slot 0 alone: the relation to the other character of the cell.",
    "scene_context": "Always filled.",
    "player_event": "Always filled.",
    "history": "The newest {slots} turns, the newest first. The generator leaves all of it empty.",
}

_CENTRAL = Meaning("the value on the axis", -1, 1)
_RANGE_LOW = Meaning("lower end of what is plausible", -1, 1)
_RANGE_HIGH = Meaning("upper end of it", -1, 1)


def _relation(substrate: str, text: str) -> dict[str, Meaning]:
    prefix = f"relational_edges.{substrate}"
    return {
        f"{prefix}.central_tendency": Meaning(text, -1, 1),
        f"{prefix}.variance": Meaning("how far it spreads", 0.15, 0.15),
        f"{prefix}.range_low": Meaning("central_tendency - 0.225, at least -1", -1, 1),
        f"{prefix}.range_high": Meaning("central_tendency + 0.225, at most 1", -1, 1),
    }


#: What each field of the input that is no one-hot says.
INPUTS: dict[str, Meaning] = {
    "tensor.central_tendency": _CENTRAL,
    "tensor.variance": Meaning("how far it spreads", 0.03, 0.19),
    "tensor.range_low": _RANGE_LOW,
    "tensor.range_high": _RANGE_HIGH,
    "emotional_state.intensity": Meaning("how strongly it is felt", 0, 1),
    "self_edge.trust.competence": Meaning("trust in one's own competence", 0, 1),
    "self_edge.trust.intentions": Meaning("trust in one's own intentions", 0, 1),
    "self_edge.trust.reliability": Meaning("trust in one's own reliability", 0, 1),
    "self_edge.affection": Meaning("affection for oneself", 0, 1),
    "self_edge.debt": Meaning("what one feels to owe", 0, 1),
    "self_edge.history_weight": Meaning("how much the past weighs", 0, 1),
    "self_edge.projection_accuracy": Meaning("how right one is about oneself", 0, 1),
    **_relation("trust_reliability", "trust that the other keeps their word"),
    **_relation("trust_competence", "trust in what the other can do"),
    **_relation("trust_benevolence", "trust that the other means well"),
    **_relation("affection", "affection for the other"),
    **_relation("debt", "what is owed to the other"),
    "scene_context.cast_size": Meaning("characters in the scene, a count", 2, 14),
    "scene_context.tension": Meaning("tension of the scene", 0, 1),
    "player_event.confidence": Meaning("how sure the engine is of the two one-hots", 0.7, 0.95),
    "player_event.target_count": Meaning("whom it is aimed at, a count", 1, 1),
    "history.emotional_valence": Meaning("from displeasure to pleasure"),
}


class Output(NamedTuple):
    """What stands in the label of a field, and what the engine makes of the output."""

    label: str
    reading: str
    low: float
    high: float


_LARGEST = "the largest; the last one on a tie"
_BINARY = "true when the raw value is above {cut}"

#: Every field of the output.
OUTPUTS: dict[str, Output] = {
    "action.type": Output("one-hot", _LARGEST, 0, 1),
    "action.confidence": Output("a number", "as it is", 0.5, 0.9),
    "action.target_index": Output("always {target}", "not used", -1, -1),
    "action.emotional_valence": Output("a number", "as it is", -1, 1),
    "action.context": Output("one-hot", _LARGEST, 0, 1),
    "speech.occurs": Output("0 or 1", _BINARY, 0, 1),
    "speech.register": Output("one-hot; all zeros are allowed where nobody speaks", _LARGEST, 0, 1),
    "speech.confidence": Output("a number", "as it is", 0.5, 0.9),
    "thought.awareness": Output("one-hot", _LARGEST, 0, 1),
    "thought.dominant_emotion_index": Output(
        "the primary's position as a number", "rounded half away from zero, at least 0, at most {last}", 0, 7
    ),
    "emotion.intensity_delta": Output(
        "change of intensity, 0 for none", "kept when its absolute value is above {floor}", -0.15, 0.25
    ),
    "emotion.awareness_shift": Output("0 or 1", _BINARY + ", and its delta is kept", 0, 1),
}
