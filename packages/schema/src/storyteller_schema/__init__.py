"""The contract between the Storyteller engine (Rust) and its training workspace (Python); see docs/python.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_schema.lazy import public

if TYPE_CHECKING:
    from storyteller_schema.batch import decode_outputs_batch, encode_features_batch, encode_labels_batch
    from storyteller_schema.enums import (
        ActionContext,
        ActionType,
        AwarenessLevel,
        EmotionalRegister,
        EventType,
        Primary,
        Provenance,
        SceneType,
        SpeechRegister,
        TemporalLayer,
        TopologicalRole,
    )
    from storyteller_schema.errors import StorytellerError
    from storyteller_schema.events import (
        BIO_LABELS,
        EntityCategory,
        EventKind,
        Span,
        decode_events,
    )
    from storyteller_schema.features import FEATURES, encode_features
    from storyteller_schema.metadata import fingerprint
    from storyteller_schema.predictions import (
        HEADS,
        PREDICTIONS,
        Prediction,
        decode_outputs,
        encode_labels,
    )
    from storyteller_schema.scenario import (
        Axis,
        HistoryEntry,
        PlayerEvent,
        PrimaryState,
        RelationalEdge,
        Scenario,
        Scene,
        SelfEdge,
        SelfTrust,
        Substrate,
    )
    from storyteller_schema.spans import decode_spans

    __version__: str

__all__ = [
    "BIO_LABELS",
    "FEATURES",
    "HEADS",
    "PREDICTIONS",
    "ActionContext",
    "ActionType",
    "AwarenessLevel",
    "Axis",
    "EmotionalRegister",
    "EntityCategory",
    "EventKind",
    "EventType",
    "HistoryEntry",
    "PlayerEvent",
    "Prediction",
    "Primary",
    "PrimaryState",
    "Provenance",
    "RelationalEdge",
    "Scenario",
    "Scene",
    "SceneType",
    "SelfEdge",
    "SelfTrust",
    "Span",
    "SpeechRegister",
    "StorytellerError",
    "Substrate",
    "TemporalLayer",
    "TopologicalRole",
    "__version__",
    "decode_events",
    "decode_outputs",
    "decode_outputs_batch",
    "decode_spans",
    "encode_features",
    "encode_features_batch",
    "encode_labels",
    "encode_labels_batch",
    "fingerprint",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__, __dir__ = public(
        __name__,
        {
            "decode_outputs_batch": "batch",
            "encode_features_batch": "batch",
            "encode_labels_batch": "batch",
            "ActionContext": "enums",
            "ActionType": "enums",
            "AwarenessLevel": "enums",
            "EmotionalRegister": "enums",
            "EventType": "enums",
            "Primary": "enums",
            "Provenance": "enums",
            "SceneType": "enums",
            "SpeechRegister": "enums",
            "TemporalLayer": "enums",
            "TopologicalRole": "enums",
            "StorytellerError": "errors",
            "BIO_LABELS": "events",
            "EntityCategory": "events",
            "EventKind": "events",
            "Span": "events",
            "decode_events": "events",
            "FEATURES": "features",
            "encode_features": "features",
            "fingerprint": "metadata",
            "HEADS": "predictions",
            "PREDICTIONS": "predictions",
            "Prediction": "predictions",
            "decode_outputs": "predictions",
            "encode_labels": "predictions",
            "Axis": "scenario",
            "HistoryEntry": "scenario",
            "PlayerEvent": "scenario",
            "PrimaryState": "scenario",
            "RelationalEdge": "scenario",
            "Scenario": "scenario",
            "Scene": "scenario",
            "SelfEdge": "scenario",
            "SelfTrust": "scenario",
            "Substrate": "scenario",
            "decode_spans": "spans",
        },
    )
