"""What the explorer of a page is made of: the weights, the two layouts, and examples to begin with."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Field, Kind
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT, DELTA_FLOOR
from storyteller_trainer.character.model.network import CharacterModel

from storyteller_exporter.evaluate.character_mistakes import in_words
from storyteller_exporter.evaluate.judged import Judged
from storyteller_exporter.report.importance import field_spans

#: Examples that can be chosen: 2.5 KB of the page each.
EXAMPLES = 60
#: Regions whose inputs are shown from the start.
OPEN = ("scene_context", "player_event")


def explorer_data(model: CharacterModel, judged: Judged) -> str:
    """The explorer's JSON, safe inside a `script` element.

    Weights are float32, little-endian, in base64: 2.2 MB. In float16 they would be half of that and their outputs
    differ from the file's in the third digit.

    Args:
        judged: held-out examples, of which some, evenly spaced, can be chosen.
    """
    chosen = np.unique(np.linspace(0, len(judged) - 1, min(EXAMPLES, len(judged))).round().astype(int)).tolist()
    features = np.asarray(judged.data.features[judged.rows])
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    layers = {
        name.removesuffix(".weight"): {
            "rows": weight.shape[0],
            "columns": weight.shape[1],
            "weight": _floats(weight),
            "bias": _floats(state[f"{name.removesuffix('.weight')}.bias"]),
        }
        for name, weight in state.items()
        if name.endswith(".weight")
    }
    outputs = {
        f"{region.name}.{field.name}": _output(field, region.locate(field.name))
        for region in PREDICTIONS.regions
        for field in region.fields
    }
    fields = {
        name: field
        for region in FEATURES.regions
        for label in region.slot_labels or ("",)
        for field in region.fields
        for name in [f"{region.name}[{label}].{field.name}" if region.slot_labels else f"{region.name}.{field.name}"]
    }
    varies = (features != features[:1]).any(axis=0)
    told = {
        "layers": layers,
        "trunk": [name for name in layers if name.startswith("trunk.")],
        "heads": [[name for name in layers if name.startswith(f"heads.{head}.")] for head in HEADS],
        "means": _floats(features.mean(axis=0, dtype=np.float64)),
        "outputs": outputs,
        "categorical": [name for name, output in outputs.items() if output["kind"] == Kind.ONE_HOT],
        "primaries": Primary.labels(),
        "cut": BINARY_CUT,
        "floor": float(np.float32(DELTA_FLOOR)),
        "regions": [
            {
                "name": region.name,
                "description": region.description,
                "offset": region.offset,
                "perSlot": region.per_slot,
                "slots": region.slot_labels or ("",),
                "open": region.name in OPEN,
                "fields": [_input(field) for field in region.fields],
            }
            for region in FEATURES.regions
        ],
        "entries": [
            {"name": name, "start": span.start, "stop": span.stop, "labels": fields[name].labels or None}
            for name, span in field_spans().items()
            if varies[span].any()
        ],
        "examples": [
            {
                "title": f"{judged.cell(index).archetype_a}: {' '.join(reversed(judged.described(index).values()))}",
                "words": in_words(judged, index),
                "place": f"{place.file}:{place.line}",
                "features": _floats(features[index]),
                "labels": _floats(judged.labels[index]),
            }
            for index, place in zip(chosen, judged.places(chosen), strict=True)
        ],
    }
    # Inside a script element only "</" and "<!--" could end or change what is read.
    return json.dumps(told, ensure_ascii=True).replace("<", "\\u003c")


def _floats(values: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def _output(field: Field, span: slice) -> dict[str, Any]:
    return {"start": span.start, "stop": span.stop, "kind": field.kind, "labels": field.labels}


def _input(field: Field) -> dict[str, Any]:
    labels = field.labels if field.kind is Kind.ONE_HOT else None
    return {"name": field.name, "labels": labels, "step": "1" if field.name in ("cast_size", "target_count") else "any"}
