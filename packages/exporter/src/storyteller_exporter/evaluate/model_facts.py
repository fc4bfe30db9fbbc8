"""What is known of a model that was judged, of either kind. Needs none of the libraries of the event models."""

from __future__ import annotations

import msgspec


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model that was judged."""

    #: The file that was read.
    file: str
    #: `onnx` or `checkpoint`.
    form: str
    bytes: int
    sha256: str | None
    #: `float32` or `int8`; of a file that does not say, empty.
    precision: str
    #: Whether its binary outputs are raised, so that the engine's cut falls at a probability of one half.
    aligned_thresholds: bool
    #: None where the file does not say.
    epoch: int | None
    #: SHA-256, hex, of the data it was trained on; empty where the file does not say.
    data_hash: str


class EventModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the event models that were judged, together."""

    #: The folder that was read.
    file: str
    #: `onnx` or `checkpoint`.
    form: str
    #: Of all files.
    bytes: int
    #: What they find: `event`, `ner`.
    tasks: list[str]
    #: Task to where its model comes from: encoder, epoch, seed, split and SHA-256 of the data, as far as it says it.
    sources: dict[str, dict[str, str]]
