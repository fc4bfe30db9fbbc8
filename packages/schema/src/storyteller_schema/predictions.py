"""The 42 outputs of character prediction: their layout."""

from __future__ import annotations

from storyteller_schema.enums import ActionContext, ActionType, AwarenessLevel, Primary, SpeechRegister
from storyteller_schema.layout import Field, Kind, Layout, Region, one_hot

#: The four heads, in the order in which the engine concatenates them.
PREDICTIONS = Layout(
    Region(
        "action",
        "What the character does",
        (
            one_hot("type", ActionType),
            Field("confidence"),
            Field("target_index"),
            Field("emotional_valence"),
            one_hot("context", ActionContext),
        ),
    ),
    Region(
        "speech",
        "Whether and how the character speaks",
        (Field("occurs", Kind.BINARY), one_hot("register", SpeechRegister), Field("confidence")),
    ),
    Region(
        "thought",
        "What the character is aware of",
        (one_hot("awareness", AwarenessLevel), Field("dominant_emotion_index")),
    ),
    Region(
        "emotion",
        "What changes in the character's emotional state",
        (
            Field("intensity_delta", Kind.FLOAT, Primary.labels()),
            Field("awareness_shift", Kind.BINARY, Primary.labels()),
        ),
    ),
)

#: Head name to number of outputs, in wire order.
HEADS: dict[str, int] = {region.name: region.length for region in PREDICTIONS.regions}
