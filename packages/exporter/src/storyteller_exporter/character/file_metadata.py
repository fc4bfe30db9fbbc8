"""What a character file says about itself, beyond what every file says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT, DELTA_FLOOR
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata

from storyteller_exporter.checks.notes import Notes, json_object, number, one_of, whole
from storyteller_exporter.onnx import metadata_props

EPOCH = f"{metadata_props.PREFIX}best_epoch"
LOSS = f"{metadata_props.PREFIX}best_loss"
TRAINED_WITH = f"{metadata_props.PREFIX}trained_with"
ALIGNED = f"{metadata_props.PREFIX}aligned_thresholds"
#: Rows of training data by which the weights of an int8 file were rounded; 0 where there were none.
ROUNDED_BY = f"{metadata_props.PREFIX}rounded_by_rows"
#: The recipe, as JSON; its `val_fraction` and `seed` say which examples were held out.
RECIPE = f"{metadata_props.PREFIX}recipe"
#: What the model was trained on, as JSON: names of files, numbers of examples and cells.
DATA = f"{metadata_props.PREFIX}data"
#: How good the float32 weights are, as JSON: losses and accuracies beside what is possible, and on what they stand.
SCORES = f"{metadata_props.PREFIX}scores"
#: Slices in which the model is clearly worse than elsewhere, as JSON.
WEAK_SLICES = f"{metadata_props.PREFIX}weak_slices"
#: What raises ValueError for a note that has not the form it should have.
NOTES: Notes = {
    EPOCH: whole,
    LOSS: number,
    TRAINED_WITH: json_object,
    ALIGNED: one_of("true", "false"),
    ROUNDED_BY: whole,
    RECIPE: json_object,
    DATA: json_object,
    SCORES: json_object,
}


def source_notes(about: CheckpointMetadata) -> dict[str, str]:
    """By which a file and its checkpoint are known to belong together."""
    return {EPOCH: str(about.epoch), LOSS: repr(about.val_loss), metadata_props.DATA_HASH: about.data_hash}


def is_aligned(metadata: Mapping[str, str]) -> bool:
    """Whether a file's notes say that its binary outputs were shifted."""
    return metadata.get(ALIGNED) == "true"


def decoding_rules(align_thresholds: bool) -> dict[str, Any]:
    """How the engine reads the outputs, for whoever finds only the file."""
    rules: dict[str, Any] = {
        "order": f"the outputs {', '.join(HEADS)}, concatenated: {PREDICTIONS.size} numbers",
        "confidence, valence and deltas": "as they are",
        "action.target_index": "not used",
        "thought.dominant_emotion_index": "rounded half away from zero, at least 0, at most 7",
        "emotion.intensity_delta": f"kept when its absolute value is above {DELTA_FLOOR}; else its shift is lost too",
        "thresholds": (
            f"aligned: binary outputs were raised by {BINARY_CUT}, so that the cut is at a probability of 0.5"
            if align_thresholds
            else "as trained: binary outputs are logits, so the cut is at a probability of 0.622"
        ),
        "slices": {},
    }
    for region in PREDICTIONS.regions:
        for field in region.fields:
            span = region.locate(field.name)
            name = f"{region.name}.{field.name}"
            rules["slices"][name] = [span.start, span.stop]
            if field.kind is Kind.ONE_HOT:
                rules[name] = {"reading": "largest, the last one on a tie", "labels": field.labels}
            elif field.kind is Kind.BINARY:
                rules[name] = f"true when the raw value is above {BINARY_CUT}"
    return rules


class SplitNotes(NamedTuple):
    """How the training data was divided, so that what was held out can be found again."""

    fraction: float
    seed: int


def split_of(config: Mapping[str, Any] | None, metadata: Mapping[str, str]) -> SplitNotes | None:
    """From a checkpoint's recipe, else from a file's notes; None where neither says it."""
    found = config if config is not None else json.loads(metadata.get(RECIPE, "{}"))
    if not {"val_fraction", "seed"} <= found.keys():
        return None
    return SplitNotes(float(found["val_fraction"]), int(found["seed"]))
