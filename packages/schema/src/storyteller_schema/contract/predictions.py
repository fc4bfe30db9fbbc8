"""The 42 outputs of character prediction: their layout, labels for training, and the engine's reading of an output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import ActionContext, ActionType, AwarenessLevel, Primary, SpeechRegister
from storyteller_schema.contract.layout import Field, Kind, Layout, Region, one_hot
from storyteller_schema.contract.record import Record
from storyteller_schema.contract.rules import BINARY_CUT, DELTA_FLOOR, last_argmax

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

#: Raw outputs: the heads concatenated [..., outputs], or head name to [..., size of the head], as the PyTorch model
#: returns them. Arrays, tensors or lists.
Outputs: TypeAlias = ArrayLike | Mapping[str, ArrayLike]

#: What stands in `action.target_index` of every label: the generator never resolves a member of the cast.
NO_TARGET = -1.0


class _Predicted(Record, frozen=True, kw_only=True):
    # The engine takes numbers as the model gives them, so a prediction may hold a NaN; a label may not.
    finite: ClassVar[bool] = False


class ActionPrediction(_Predicted, frozen=True, kw_only=True):
    """What the character does; whom it is done to is left unresolved."""

    type: ActionType
    confidence: float
    emotional_valence: float
    context: ActionContext


class SpeechPrediction(_Predicted, frozen=True, kw_only=True):
    """Whether the character speaks, and how if they do."""

    occurs: bool
    register: SpeechRegister
    confidence: float


class ThoughtPrediction(_Predicted, frozen=True, kw_only=True):
    """What the character is aware of."""

    awareness: AwarenessLevel
    dominant_emotion: Primary


class EmotionPrediction(_Predicted, frozen=True, kw_only=True):
    """What changes in the character's emotional state; both fields are held in wire order."""

    #: Change of intensity, only where its absolute value is above DELTA_FLOOR.
    intensity_delta: dict[Primary, float]
    #: The primaries of which the character becomes more, or less, aware; each of them has a delta.
    awareness_shift: tuple[Primary, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for primary, delta in self.intensity_delta.items():
            if not abs(delta) > _DELTA_FLOOR:
                raise StorytellerError(
                    f"EmotionPrediction.intensity_delta[{primary}] is {delta!r}; expected an absolute value above "
                    f"{DELTA_FLOOR} (the engine drops smaller ones: leave the primary out)"
                )
        for primary in self.awareness_shift:
            if primary not in self.intensity_delta:
                raise StorytellerError(
                    f"EmotionPrediction.awareness_shift has {primary}, which has no intensity_delta; expected only "
                    "primaries with one (in the engine a shift is a part of its delta's entry)"
                )
        deltas = {primary: self.intensity_delta[primary] for primary in Primary if primary in self.intensity_delta}
        shifts = tuple(primary for primary in Primary if primary in self.awareness_shift)
        msgspec.structs.force_setattr(self, "intensity_delta", deltas)
        msgspec.structs.force_setattr(self, "awareness_shift", shifts)


class Prediction(_Predicted, frozen=True, kw_only=True):
    """One predicted turn of a character."""

    action: ActionPrediction
    speech: SpeechPrediction
    thought: ThoughtPrediction
    emotion: EmotionPrediction


#: DELTA_FLOOR as the engine's float32.
_DELTA_FLOOR = float(np.float32(DELTA_FLOOR))
_LAST_PRIMARY = len(Primary) - 1
_SPANS = {
    f"{region.name}.{field.name}": region.locate(field.name)
    for region in PREDICTIONS.regions
    for field in region.fields
}


def encode_labels(prediction: Prediction) -> NDArray[np.float32]:
    """The training target [outputs] float32 from which `decode_outputs` reads the same prediction.

    Raises:
        StorytellerError: a number is not finite.
    """
    action, speech, thought, emotion = prediction.action, prediction.speech, prediction.thought, prediction.emotion
    values = [
        *action.type.one_hot,
        *(action.confidence, NO_TARGET, action.emotional_valence),
        *action.context.one_hot,
        float(speech.occurs),
        *speech.register.one_hot,
        speech.confidence,
        *thought.awareness.one_hot,
        float(thought.dominant_emotion.position),
        *(emotion.intensity_delta.get(primary, 0.0) for primary in Primary),
        *(float(primary in emotion.awareness_shift) for primary in Primary),
    ]
    for name, value in zip(PREDICTIONS.float_names, values, strict=True):
        if not math.isfinite(value):
            raise StorytellerError(f"label {name} is {value!r}; expected a finite number")
    return np.array(values, dtype=np.float32)


def decode_outputs(outputs: Outputs) -> Prediction:
    """Reads the raw outputs for one character, in any form that `Outputs` allows, as the engine does.

    One vector, or the four heads by name; a batch of one counts as its one row. float64 is rounded to float32 first.

    Categorical slices: `last_argmax`. Binary ones: true when the raw value is strictly above BINARY_CUT. Confidences,
    valence and deltas: raw, without a sigmoid or tanh; a delta only where its absolute value is above DELTA_FLOOR. An
    awareness shift is a part of its delta's entry: where the delta is not kept, there is no shift, whatever its value.
    The dominant emotion: rounded half away from zero, cast to an unsigned byte (negative and NaN give 0), at most 7.
    Every vector of that length can be read, non-finite numbers too: they stand in the prediction as they are.

    Raises:
        StorytellerError: there are not exactly as many numbers as outputs.
    """
    vector = output_array(outputs)
    if vector.shape[:-1] == (1,):
        vector = vector[0]
    if vector.ndim != 1:
        raise StorytellerError(
            f"expected one vector of {PREDICTIONS.size} outputs, got shape {vector.shape}; "
            "for a batch there is decode_outputs_batch"
        )

    def category(path: str) -> int:
        return int(last_argmax(vector[_SPANS[path]]))

    def number(path: str) -> float:
        return float(vector[_SPANS[path].start])

    deltas = dict(zip(Primary, vector[_SPANS["emotion.intensity_delta"]].tolist(), strict=True))
    shifts = dict(zip(Primary, vector[_SPANS["emotion.awareness_shift"]].tolist(), strict=True))
    kept = {primary: delta for primary, delta in deltas.items() if abs(delta) > _DELTA_FLOOR}
    return Prediction(
        action=ActionPrediction(
            type=ActionType.at(category("action.type")),
            confidence=number("action.confidence"),
            emotional_valence=number("action.emotional_valence"),
            context=ActionContext.at(category("action.context")),
        ),
        speech=SpeechPrediction(
            occurs=number("speech.occurs") > BINARY_CUT,
            register=SpeechRegister.at(category("speech.register")),
            confidence=number("speech.confidence"),
        ),
        thought=ThoughtPrediction(
            awareness=AwarenessLevel.at(category("thought.awareness")),
            dominant_emotion=Primary.at(_byte_index(number("thought.dominant_emotion_index"))),
        ),
        emotion=EmotionPrediction(
            intensity_delta=kept,
            awareness_shift=tuple(primary for primary in kept if shifts[primary] > BINARY_CUT),
        ),
    )


def output_array(outputs: Outputs) -> NDArray[np.float32]:
    """Outputs as float32 [..., outputs]: the four heads, by name in any order, are put together in the engine's.

    Raises:
        StorytellerError: the last axis is not as long, a head is missing, unknown or of another length, or something
            is not a number.
    """
    try:
        array = _concatenated(outputs) if isinstance(outputs, Mapping) else _array(outputs)
    except ValueError as error:  # lists of different lengths
        raise StorytellerError(f"expected {PREDICTIONS.size} output numbers: {error}") from error
    if array.dtype.kind not in "fiu":
        raise StorytellerError(f"expected {PREDICTIONS.size} output numbers, got values of type {array.dtype}")
    if array.shape[-1:] != (PREDICTIONS.size,):
        heads = ", ".join(f"{name} {size}" for name, size in HEADS.items())
        raise StorytellerError(f"expected {PREDICTIONS.size} outputs ({heads}), got shape {array.shape}")
    with np.errstate(over="ignore"):  # a float64 beyond float32 is infinite there
        return array.astype(np.float32, copy=False)


def _concatenated(heads: Mapping[str, ArrayLike]) -> NDArray[Any]:
    """The four heads [..., size of the head] as one array [..., outputs]."""
    if heads.keys() != HEADS.keys():
        raise StorytellerError(f"expected the heads {', '.join(HEADS)}, got {', '.join(map(str, heads)) or 'none'}")
    arrays = {name: _array(heads[name]) for name in HEADS}
    rows = arrays["action"].shape[:-1]
    if any(array.shape != (*rows, HEADS[name]) for name, array in arrays.items()):
        wanted = ", ".join(f"{name} [..., {size}]" for name, size in HEADS.items())
        found = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise StorytellerError(f"expected heads of the shapes {wanted}, got {found}")
    return np.concatenate(list(arrays.values()), axis=-1)


def _array(values: Any) -> NDArray[Any]:
    """As NumPy sees it; a tensor of PyTorch, which is not imported here, without its gradient and from its device."""
    return np.asarray(values.detach().cpu().float() if hasattr(values, "detach") else values)


def _byte_index(raw: float) -> int:
    # Adding 0.5 is exact: `raw` is a float32 held in float64. The comparison is false for NaN.
    return math.floor(min(raw, _LAST_PRIMARY) + 0.5) if raw >= 0.5 else 0
