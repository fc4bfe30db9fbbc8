from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.data_warnings import DataWatch
from storyteller_trainer.character.data.line_parser import Cell

ROWS = 400


def examples() -> tuple[np.ndarray, np.ndarray]:
    """Examples of which nothing is suspicious: every float has two values, every slot is filled, every class occurs."""
    features = np.zeros((ROWS, FEATURES.size), np.float32)
    labels = np.zeros((ROWS, PREDICTIONS.size), np.float32)
    for layout, values in ((FEATURES, features), (PREDICTIONS, labels)):
        for region in layout.regions:
            for slot in range(region.slots):
                for field in region.fields:
                    span = region.locate(field.name, slot)
                    if field.enum is None:
                        values[:, span] = (np.arange(ROWS) % 2)[:, None] + 0.5 * (field.kind == "float")
                    else:
                        values[np.arange(ROWS), span.start + np.arange(ROWS) % field.size] = 1
    return features, labels


def texts(features: np.ndarray, labels: np.ndarray, serious: bool | None = None, **options: Any) -> list[str]:
    watch = DataWatch(options.pop("usual", frozenset()))
    for part in range(0, ROWS, 150):  # chunks add up
        watch.add(features[part : part + 150], labels[part : part + 150])
    return [each.text for each in watch.warnings(**options) if serious in (None, each.serious)]


def test_sound_data_has_no_warning() -> None:
    assert texts(*examples()) == []
    assert DataWatch().warnings() == []


def test_a_class_that_never_occurs() -> None:
    features, labels = examples()
    wait = PREDICTIONS.span("action.type").start + 4
    labels[:, wait] = 0
    assert texts(features, labels, serious=True) == ["label action.type[Wait] never occurs"]
    assert texts(features, labels, serious=True, usual=frozenset({"action.type[Wait]"})) == []
    assert texts(features, labels, serious=False, usual=frozenset({"action.type[Wait]"})) != []


def test_a_label_that_never_changes() -> None:
    features, labels = examples()
    labels[:, PREDICTIONS.span("speech.confidence")] = 0.75
    labels[:, PREDICTIONS.span("speech.occurs")] = 1
    assert texts(features, labels) == ["label speech.occurs is always 1", "label speech.confidence is always 0.75"]


@pytest.mark.parametrize(
    ("filled", "expected"),
    [(0, "inputs: tensor 15: never filled"), (3, "inputs: tensor 15: filled in 3 examples only"), (4, None)],
)
def test_a_slot_that_is_nearly_empty(filled: int, expected: str | None) -> None:
    features, labels = examples()
    tensor = FEATURES["tensor"]
    features[filled:, tensor.offset + 15 * tensor.per_slot : tensor.offset + tensor.length] = 0
    assert texts(features, labels) == ([expected] if expected else [])


def test_an_input_that_never_changes_and_a_class_that_is_never_given() -> None:
    features, labels = examples()
    features[:, FEATURES.span("scene_context.cast_size")] = 3
    gate = FEATURES.span("scene_context.scene_type").start + 2
    features[:, gate] = 0
    assert texts(features, labels, serious=False) == [
        "inputs: scene_context scene_type: never Gate",
        "inputs: scene_context cast_size: always 3",
    ]


def test_slices_of_few_cells() -> None:
    def cell(profile: str, number: int) -> Cell:
        return Cell("a", f"b{number}", "d", profile, True)

    cells = [*(cell("common", number) for number in range(9)), *(cell("rare", number) for number in range(2))]
    assert texts(*examples(), cell_names=cells) == ["profile: rare (2) has fewer than 5 cells"]
