"""Small valid character data, made without the generator, so that a test knows every float of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Kind, Layout
from storyteller_schema.contract.predictions import PREDICTIONS

Record = dict[str, Any]


def _fill(layout: Layout, rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
    values = rng.uniform(-1, 1, (rows, layout.size)).astype(np.float32)
    for region in layout.regions:
        for slot in range(region.slots):
            for field in region.fields:
                span = region.locate(field.name, slot)
                if field.kind is Kind.ONE_HOT:
                    values[:, span] = np.eye(field.size, dtype=np.float32)[rng.integers(0, field.size, rows)]
                elif field.kind is Kind.BINARY:
                    values[:, span] = rng.integers(0, 2, (rows, field.size))
    return values


def make_arrays(rows: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Valid features [rows, 453] and labels [rows, 42]; the awareness and the valence can be learned."""
    rng = np.random.default_rng(seed)
    features, labels = _fill(FEATURES, rows, rng), _fill(PREDICTIONS, rows, rng)
    features[:, FEATURES["history"].span] = 0
    features[:, FEATURES["tensor"].locate("central_tendency", 12).start : FEATURES["tensor"].span.stop] = 0
    register = FEATURES["player_event"].within_slot("emotional_register")
    tone = features[:, FEATURES["player_event"].span][:, register]
    labels[:, PREDICTIONS.span("thought.awareness")] = np.eye(5, dtype=np.float32)[tone.argmax(1) % 5]
    labels[:, PREDICTIONS.span("action.emotional_valence").start] = tone.argmax(1) / 7
    labels[:, PREDICTIONS.span("action.target_index").start] = -1
    labels[:, PREDICTIONS.span("thought.dominant_emotion_index").start] = rng.integers(0, len(Primary), rows)
    return features, labels


def make_records(rows: int, cells: int = 8, seed: int = 0) -> list[Record]:
    """The same as JSON-ready records in the engine's form, dealt to the cells in turn."""
    features, labels = make_arrays(rows, seed)
    return [
        {
            "id": f"00000000-0000-4000-8000-{row:012d}",
            "cell": {
                "archetype_a": f"archetype_{row % cells}",
                "archetype_b": "other",
                "dynamic": "rivals",
                "profile": "feast",
                "genre": "low_fantasy_folklore",
                "a_is_role_a": row % 2 == 0,
            },
            "variation": row // cells,
            "features": features[row].tolist(),
            "labels": labels[row].tolist(),
            "coherence_score": 0.75,
            "content_hash": hashlib.sha256(features[row].tobytes() + labels[row].tobytes()).hexdigest(),
        }
        for row in range(rows)
    ]


def write_jsonl(path: Path, records: Sequence[Record]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
