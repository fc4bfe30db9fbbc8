"""Writes docs/vectors.md: every float that the engine gives the models, and every one that it takes from them.

    python scripts/write_docs.py

Names, places, the orders of one-hots and the cuts come from the schema, the numbers of the label rules from the
generator; what neither of them needs to know stands in vector_texts.py. A test says when the page is out of date.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TypeVar

from storyteller_schema.common.files import write_atomic
from storyteller_schema.contract.enums import ActionContext, ActionType, EmotionalRegister, EventType, Primary, WireEnum
from storyteller_schema.contract.events import BIO_LABELS, EVENT_THRESHOLD, MAX_SEQ_LENGTH, EventKind
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.fingerprint import SCHEMA_VERSION, event_fingerprint, fingerprint
from storyteller_schema.contract.layout import Field, Kind, Layout, Region
from storyteller_schema.contract.predictions import HEADS, NO_TARGET, PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT, DELTA_FLOOR
from storyteller_trainer.character.rules import conditionals as rules
from storyteller_trainer.character.rules.axes import LABEL_AXES
from vector_texts import FILLED, INPUTS, OUTPUTS

R = TypeVar("R", bound=WireEnum)
C = TypeVar("C", bound=WireEnum)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "vectors.md"
#: Of running text, in characters.
WIDTH = 120

INTRODUCTION = """\
# The vectors

<!-- Written by scripts/write_docs.py from the schema: change that, not this page. -->

What the character model takes and gives, float by float, and how its training labels are drawn. At the end stand the
labels of the event models.

`{example}` stands for the {count} floats from position {start} on, counted from 0, as in a Python slice, and `{start}`
for one. Messages name a float by region, slot, field and label: `tensor[3].variance`,
`scene_context.scene_type[Gate]`. This is version {version} of the contract, with the fingerprint
`{fingerprint}`.
"""

INPUT = """\
## Input: {size} float32

The engine writes plain numbers: nothing is scaled or normalised. In a one-hot the float of the value is 1 and the
others are 0, in the order given here. A slot that is not used is all zeros, its one-hots included. Ranges are those of
the generator with the shipped descriptors; they bind nobody else. No number has a unit but the two counts.
"""

UNSEEN = """\
**Never seen in training.** The generator draws neither a history nor a second relation, and `target_count` is always 1:
slots 1 to {last_edge} of `relational_edges` and all of `history`, {unseen} floats, are zero in every example, and
training cannot learn what they mean. What a model makes of them in the engine is in
[when-a-number-is-bad.md](when-a-number-is-bad.md#worse-in-the-engine-than-here).
"""

OUTPUT = """\
## Output: {size} float32

The outputs `{heads}`, put together in this order. One-hots are trained as logits with
cross-entropy, binary outputs as logits with binary cross-entropy, numbers with squared error; a head's loss is the sum
over its fields, and a field of several numbers counts as their mean.
"""

READING = """\
**The cut.** Binary outputs are trained as logits, where 0 is a probability of one half. The engine compares the raw
value with {cut}, which is a probability of 1 / (1 + e^-{cut}) = {probability:.3f}. Accuracies of these outputs are
therefore shown at both cuts, and `export-character-model --align-thresholds` moves the outputs so that the two fall
together.

**Deltas and shifts.** In the engine a shift is part of its delta's entry: where the delta is dropped, so is the shift.

`verify-onnx` refuses a file that gives NaN or infinity on any of its cases.
"""

LABELS = """\
## How labels are drawn

The generator knows what each scenario says about its labels and draws them from that. So no model can be right more
often than these probabilities allow; `generate-training-data` writes the lowest loss and the best accuracies that they
leave beside the data. Event and register are `event_type` and `emotional_register` of the player's event, "axis NAME"
is the central tendency of the axis of that name ({absent} for a character without it), and
`trust_benevolence` the central tendency of that substrate in the relation of slot 0.

**action.type**: every type has weight 1, these are added, and the weights are the odds.
"""

CONTEXT = """\
**action.context**: likewise.
"""

REST = """\
- **action.emotional_valence**: by register {valence};
  plus {per_warmth:g} x axis `warmth_openness`, plus uniform noise of -{noise:g} to {noise:g}, clamped to [-1, 1].
- **action.confidence**, **speech.confidence**: uniform from {confidence[0]:g} to {confidence[1]:g}, whatever the
  scenario.
- **action.target_index**: always {target:g}.
- **speech.occurs**: 1 with a probability by event of {speech};
  plus {per_expression:g} x axis `expression_silence`, clamped to [0, 1].
- **speech.register**: with tension above {high:g} Declamatory with probability {marked:g}, with tension below {low:g}
  Whisper with probability {marked:g}, else Conversational. Never Internal. It is drawn whether or not speech occurs.
- **thought.awareness**: certain, by axis `self_awareness`: above 0.7 Articulate, above 0.5 Recognizable, above 0.3
  Preconscious, else Defended. Never Structural.
- **thought.dominant_emotion_index**: certain: the primary of the highest intensity, the last one on a tie.
- **emotion.intensity_delta**: by register. Raised by uniform {raised_by[0]:g} to {raised_by[1]:g}:
  {raised}.
  Lowered by uniform {lowered_by[0]:g} to {lowered_by[1]:g}: {lowered}. All others 0.
- **emotion.awareness_shift**: 1 with probability {shift:g} where a delta is above {above:g}, else 0. Before the delta
  is drawn that is at most {most:g}, so a well-trained output never passes the cut, and the F1 of shifts is 0.
"""

EVENTS = """\
## The event models

`event_classifier.onnx` gives [batch, {kinds}] logits, each on its own: a kind holds when its sigmoid is above
{threshold:g}. `ner_classifier.onnx` gives [batch, sequence, {labels}] logits: the largest of a token counts, the last
one on a tie. Texts are cut after {length} tokens, special ones included. The fingerprint of these labels is
`{fingerprint}`.
"""


def page() -> str:
    """The whole page.

    Raises:
        ValueError: a region or field has no text in vector_texts.py, or a text belongs to none.
    """
    parts = [*_introduction(), *_inputs(), *_outputs(), *_labels(), *_events()]
    return "\n".join(part if part.endswith("\n") else part + "\n" for part in parts)


def _introduction() -> Iterable[str]:
    example = FEATURES["tensor"].locate("provenance")
    yield INTRODUCTION.format(
        version=SCHEMA_VERSION,
        fingerprint=fingerprint(),
        example=_place(example),
        count=example.stop - example.start,
        start=example.start,
    )


def _inputs() -> Iterable[str]:
    _require_texts(FILLED, [region.name for region in FEATURES.regions])
    _require_texts(INPUTS, _names(FEATURES, Kind.FLOAT))
    yield INPUT.format(size=FEATURES.size)
    yield _table(
        ("region", "floats", "slots x floats", "holds"),
        [
            (f"[{region.name}](#{region.name})", _place(region.span), _shape(region), region.description)
            for region in FEATURES.regions
        ],
    )
    edges, history = FEATURES["relational_edges"], FEATURES["history"]
    unseen = edges.length - edges.per_slot + history.length
    yield UNSEEN.format(last_edge=edges.slots - 1, unseen=unseen)
    for region in FEATURES.regions:
        yield f"### {region.name}"
        yield fill(f"Floats {_place(region.span)}. {FILLED[region.name].format(slots=region.slots)}", WIDTH)
        # Of several slots the places inside one are given first, then those of all.
        place = region.locate if region.slots == 1 else region.within_slot
        yield _table(
            ("field", "floats" if region.slots == 1 else "in a slot", "values", "meaning"),
            [(f"`{field.name}`", _place(place(field.name)), *_meaning(region, field)) for field in region.fields],
        )
        if region.slots > 1:
            yield _places(region)


def _meaning(region: Region, field: Field) -> tuple[str, str]:
    """The values of a field, and what they mean."""
    if field.enum is not None:
        return "one-hot", f"{field.enum.__name__}: {', '.join(field.labels)}"
    meaning = INPUTS[f"{region.name}.{field.name}"]
    return _values(meaning.low, meaning.high), meaning.text


def _values(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "none in training"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _places(region: Region) -> str:
    """Where each field of each slot lies; the longer of the two lists goes down the page."""
    labels = region.slot_labels or ()
    names = [field.name for field in region.fields]
    cells = [[_place(region.locate(name, slot)) for name in names] for slot in range(region.slots)]
    if len(names) > len(labels):
        rows = [(name, *column) for name, *column in zip(names, *cells, strict=True)]
        return _table(("field", *(f"slot {label}" for label in labels)), rows)
    rows = [(label, *row) for label, row in zip(labels, cells, strict=True)]
    return _table(("slot", *names), rows)


def _outputs() -> Iterable[str]:
    _require_texts(OUTPUTS, _names(PREDICTIONS))
    yield OUTPUT.format(size=PREDICTIONS.size, heads="`, `".join(HEADS))
    for region in PREDICTIONS.regions:
        yield f"### {region.name}"
        yield f"Floats {_place(region.span)}, of shape [batch, {region.length}] in the file. {region.description}."
        rows = []
        for field in region.fields:
            text = OUTPUTS[f"{region.name}.{field.name}"]
            order = f": {', '.join(field.labels)}" if field.labels else ""
            of = {Kind.ONE_HOT: "one-hot", Kind.BINARY: "binary", Kind.FLOAT: "numbers" if order else "number"}
            label = text.label.format(target=f"{NO_TARGET:g}")
            if field.kind is Kind.FLOAT and text.low != text.high:
                label += f", {_values(text.low, text.high)}"
            reading = text.reading.format(cut=BINARY_CUT, floor=DELTA_FLOOR, last=len(Primary) - 1)
            place = _place(region.locate(field.name))
            rows.append((f"`{field.name}`", place, of[field.kind] + order, label, reading))
        yield _table(("field", "floats", "kind", "label", "the engine takes"), rows)
    yield READING.format(cut=BINARY_CUT, probability=1 / (1 + math.exp(-BINARY_CUT)))


def _labels() -> Iterable[str]:
    others = {name: value for name, value in LABEL_AXES.items() if value}
    exceptions = "".join(f", of `{name}` {value:g}," for name, value in others.items())
    yield LABELS.format(absent=f"0{exceptions}")
    yield _table(
        ("where", *ActionType.labels()),
        [
            *_weights("event", EventType, rules.ACTION_BY_EVENT, ActionType),
            *_weights("register", EmotionalRegister, rules.ACTION_BY_REGISTER, ActionType),
            _weight(f"tension above {rules.HIGH_TENSION:g}", rules.ACTION_IN_HIGH_TENSION, ActionType),
            _weight(f"tension below {rules.LOW_TENSION:g}", rules.ACTION_IN_LOW_TENSION, ActionType),
            *(
                _weight(f"axis `{axis}` above {rules.AXIS_ABOVE:g}", added, ActionType)
                for axis, added in rules.ACTION_BY_AXIS.items()
            ),
        ],
    )
    yield CONTEXT
    benevolence = f"`trust_benevolence` above {rules.BENEVOLENCE_ABOVE:g}"
    yield _table(
        ("where", *ActionContext.labels()),
        [
            *_weights("register", EmotionalRegister, rules.CONTEXT_BY_REGISTER, ActionContext),
            _weight(benevolence, rules.CONTEXT_OF_BENEVOLENCE, ActionContext),
        ],
    )
    yield REST.format(
        valence=", ".join(f"{register} {value:g}" for register, value in rules.VALENCE_BY_REGISTER.items()),
        per_warmth=rules.VALENCE_PER_WARMTH,
        noise=rules.VALENCE_NOISE,
        confidence=rules.CONFIDENCE,
        target=NO_TARGET,
        speech=", ".join(f"{event} {value:g}" for event, value in rules.SPEECH_BY_EVENT.items()),
        per_expression=rules.SPEECH_PER_EXPRESSION,
        high=rules.HIGH_TENSION,
        low=rules.LOW_TENSION,
        marked=rules.MARKED_REGISTER,
        raised=_changed(rules.RAISED),
        lowered=_changed(rules.LOWERED),
        raised_by=rules.RAISED_BY,
        lowered_by=rules.LOWERED_BY,
        shift=rules.SHIFT_PROBABILITY,
        above=rules.SHIFT_ABOVE,
        most=rules.SHIFT_PROBABILITY * _share_above(rules.SHIFT_ABOVE, *rules.RAISED_BY),
    )


def _weights(what: str, rows: type[R], weights: Mapping[R, Mapping[C, float]], columns: type[C]) -> list[Sequence[str]]:
    """A row for each value that adds something."""
    return [_weight(f"{what} {row}", weights[row], columns) for row in rows if weights.get(row)]


def _weight(name: str, added: Mapping[C, float], columns: type[C]) -> Sequence[str]:
    return (name, *(f"+{added[column]:g}" if column in added else "" for column in columns))


def _changed(primaries: Mapping[EmotionalRegister, Sequence[Primary]]) -> str:
    return "; ".join(f"{register} {' and '.join(changed)}" for register, changed in primaries.items())


def _share_above(threshold: float, low: float, high: float) -> float:
    return (high - threshold) / (high - low)


def _events() -> Iterable[str]:
    yield EVENTS.format(
        kinds=len(EventKind),
        threshold=EVENT_THRESHOLD,
        labels=len(BIO_LABELS),
        length=MAX_SEQ_LENGTH,
        fingerprint=event_fingerprint(),
    )
    labels = [str(kind) for kind in EventKind] + [""] * (len(BIO_LABELS) - len(EventKind))
    rows = [(str(index), kind, bio) for index, (kind, bio) in enumerate(zip(labels, BIO_LABELS, strict=True))]
    yield _table(("position", "event kind", "BIO label"), rows)


def _names(layout: Layout, kind: Kind | None = None) -> list[str]:
    return [
        f"{region.name}.{field.name}"
        for region in layout.regions
        for field in region.fields
        if kind in (None, field.kind)
    ]


def _require_texts(texts: Mapping[str, object], names: Sequence[str]) -> None:
    if wrong := sorted(texts.keys() ^ set(names)):
        raise ValueError(f"vector_texts.py and the schema do not name the same: {', '.join(wrong)}")


def _place(span: slice) -> str:
    """`4:8`, or `4` for one float."""
    return str(span.start) if span.stop == span.start + 1 else f"{span.start}:{span.stop}"


def _shape(region: Region) -> str:
    return f"{region.slots} x {region.per_slot}" if region.slots > 1 else str(region.length)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    write_atomic(PAGE, page())
