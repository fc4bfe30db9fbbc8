"""The contract between the Storyteller engine (Rust) and its training workspace (Python); see docs/python.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_schema.common.lazy import public

if TYPE_CHECKING:
    from storyteller_schema.common.errors import StorytellerError
    from storyteller_schema.contract.batch import decode_outputs_batch, encode_features_batch, encode_labels_batch
    from storyteller_schema.contract.enums import (
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
    from storyteller_schema.contract.events import BIO_LABELS, EntityCategory, EventKind, Span, decode_events
    from storyteller_schema.contract.features import FEATURES, encode_features
    from storyteller_schema.contract.fingerprint import fingerprint
    from storyteller_schema.contract.predictions import HEADS, PREDICTIONS, Prediction, decode_outputs, encode_labels
    from storyteller_schema.contract.scenario import (
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
    from storyteller_schema.contract.spans import decode_spans

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
            "decode_outputs_batch": "contract.batch",
            "encode_features_batch": "contract.batch",
            "encode_labels_batch": "contract.batch",
            "ActionContext": "contract.enums",
            "ActionType": "contract.enums",
            "AwarenessLevel": "contract.enums",
            "EmotionalRegister": "contract.enums",
            "EventType": "contract.enums",
            "Primary": "contract.enums",
            "Provenance": "contract.enums",
            "SceneType": "contract.enums",
            "SpeechRegister": "contract.enums",
            "TemporalLayer": "contract.enums",
            "TopologicalRole": "contract.enums",
            "StorytellerError": "common.errors",
            "BIO_LABELS": "contract.events",
            "EntityCategory": "contract.events",
            "EventKind": "contract.events",
            "Span": "contract.events",
            "decode_events": "contract.events",
            "FEATURES": "contract.features",
            "encode_features": "contract.features",
            "fingerprint": "contract.fingerprint",
            "HEADS": "contract.predictions",
            "PREDICTIONS": "contract.predictions",
            "Prediction": "contract.predictions",
            "decode_outputs": "contract.predictions",
            "encode_labels": "contract.predictions",
            "Axis": "contract.scenario",
            "HistoryEntry": "contract.scenario",
            "PlayerEvent": "contract.scenario",
            "PrimaryState": "contract.scenario",
            "RelationalEdge": "contract.scenario",
            "Scenario": "contract.scenario",
            "Scene": "contract.scenario",
            "SelfEdge": "contract.scenario",
            "SelfTrust": "contract.scenario",
            "Substrate": "contract.scenario",
            "decode_spans": "contract.spans",
        },
    )
