"""What an event or entity file says about itself, beyond what every file says, and what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storyteller_schema.contract.events import BIO_LABELS, EVENT_THRESHOLD, EventKind
from storyteller_trainer.events.model.checkpoint import EventMetadata
from storyteller_trainer.events.model.classifiers import Task

from storyteller_exporter.checks.notes import Notes, json_object, scores, whole
from storyteller_exporter.onnx import metadata_props

TOKENIZER = "tokenizer.json"

ENCODER = f"{metadata_props.PREFIX}encoder"
FAMILY = f"{metadata_props.PREFIX}encoder_family"
EPOCH = f"{metadata_props.PREFIX}best_epoch"
SEED = f"{metadata_props.PREFIX}seed"
SPLIT = f"{metadata_props.PREFIX}split"
SCORES = f"{metadata_props.PREFIX}validation"
MAX_LENGTH = f"{metadata_props.PREFIX}max_length"
TOKENIZER_HASH = f"{metadata_props.PREFIX}tokenizer_hash"
SPANS = f"{metadata_props.PREFIX}spans"
DETERMINER_SHARE = f"{metadata_props.PREFIX}determiner_share"
#: Event kind to the threshold that was best on the run's validation part, and whether the file's logits were moved so
#: that it lies at the engine's 0.5.
THRESHOLDS = f"{metadata_props.PREFIX}thresholds"
ALIGNED = f"{metadata_props.PREFIX}aligned_thresholds"
TRAINED_WITH = f"{metadata_props.PREFIX}trained_with"
#: What raises ValueError for a note that has not the form it should have.
NOTES: Notes = {
    EPOCH: whole,
    SEED: whole,
    SCORES: scores,
    MAX_LENGTH: whole,
    TRAINED_WITH: json_object,
}
#: Notes by which a file and a training run are known to belong together.
SOURCE = (ENCODER, EPOCH, SEED, SPLIT, metadata_props.DATA_HASH)


def is_aligned(metadata: Mapping[str, str]) -> bool:
    """Whether the event logits of a file with these notes were moved by the run's thresholds."""
    return metadata.get(ALIGNED) == "true"


def source_notes(about: EventMetadata) -> dict[str, str]:
    """Which run a model comes from: the notes in `SOURCE`."""
    values = (about.encoder, str(about.epoch), str(about.seed), about.split.value, about.data_hash)
    return dict(zip(SOURCE, values, strict=True))


def describe_source(found: Mapping[str, str]) -> str:
    """The notes in `SOURCE`, for people; what a file does not say is unknown."""
    encoder, epoch, seed, split, data = (found.get(key, "unknown") for key in SOURCE)
    return f"encoder {encoder}, epoch {epoch}, seed {seed}, split {split}, trained on {data}"


def decoding_rules(task: Task, max_length: int) -> dict[str, Any]:
    """How the engine feeds the model and reads its outputs, for whoever finds only the file."""
    rules: dict[str, Any] = {
        "input": f"cut after {max_length} tokens, special ones included; padded on the right with id 0 and mask 0"
    }
    if task.finds_events:
        rules["events"] = {"reading": f"sigmoid above {EVENT_THRESHOLD}, each on its own", "labels": EventKind.labels()}
    if task.finds_entities:
        rules["entities"] = {
            "reading": "largest per token; B- opens a span, I- of the same category extends it, all else closes it",
            "labels": BIO_LABELS,
        }
    return rules
