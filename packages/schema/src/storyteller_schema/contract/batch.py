"""Whole batches at once: columns of values to vectors, and output vectors to columns, with the rules of one example.

A column is named "region.field" after the layout and holds one value per example, or per example and slot:

- a one-hot field: the member's position as an integer; in a region of several slots, -1 marks an empty slot;
- a binary field: booleans;
- a number: floats.

Its shape is [n]; [n, slots] in a region of several slots; [n, labels] in a field of several floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Field, Kind, Layout, Region
from storyteller_schema.contract.predictions import NO_TARGET, PREDICTIONS, Outputs, output_array
from storyteller_schema.contract.rules import BINARY_CUT, DELTA_FLOOR, last_argmax

#: Arrays by column name.
Columns = dict[str, NDArray[Any]]

_TARGET = "action.target_index"
_DOMINANT = "thought.dominant_emotion_index"
_DELTA = "emotion.intensity_delta"
_SHIFT = "emotion.awareness_shift"

#: The NumPy kinds that a column of a field may have, and their name in a message.
_DTYPES = {
    Kind.ONE_HOT: ("iu", "integer positions"),
    Kind.BINARY: ("b", "booleans"),
    Kind.FLOAT: ("fiu", "numbers"),
}


def encode_features_batch(columns: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
    """Writes scenarios given as columns: [n, inputs] float32, each row as `encode_features` writes it.

    Slots are given in the order of the wire: axes by ascending name, history newest first. Further slots than the
    region has are left out, as the engine leaves them out; for fewer, the rest is zero.

    Raises:
        StorytellerError: a column is missing, unknown, of a wrong shape, or holds a value that is not allowed.
    """
    return _write(FEATURES, columns)


def encode_labels_batch(columns: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
    """Writes training targets given as columns: [n, outputs] float32, each row as `encode_labels` writes it.

    There is no column `action.target_index`: it is always NO_TARGET. `thought.dominant_emotion_index` holds positions
    in Primary. A delta is 0 where nothing changes, and only where it is not 0 there may be a shift.

    Raises:
        StorytellerError: a column is missing, unknown, of a wrong shape, or holds a value that is not allowed.
    """
    labels = _write(PREDICTIONS, columns, without=_TARGET)
    labels[:, PREDICTIONS.span(_TARGET)] = NO_TARGET
    dominant = labels[:, PREDICTIONS.span(_DOMINANT)]
    _refuse(_DOMINANT, ~np.isin(dominant, np.arange(len(Primary))), dominant, "a position in Primary")
    deltas = labels[:, PREDICTIONS.span(_DELTA)]
    dropped = (deltas != 0) & ~(np.abs(deltas) > np.float32(DELTA_FLOOR))
    _refuse(_DELTA, dropped, deltas, f"0, or an absolute value above {DELTA_FLOOR}")
    shifts = labels[:, PREDICTIONS.span(_SHIFT)]
    _refuse(_SHIFT, (shifts != 0) & (deltas == 0), shifts, "0 where the delta is 0")
    return labels


def decode_outputs_batch(outputs: Outputs) -> Columns:
    """Reads raw outputs [n, outputs] as `decode_outputs` reads each row; the columns that `encode_labels_batch` takes.

    The outputs may come in any form that `Outputs` allows. Positions are int64, binary fields bool, numbers float32. A
    dropped delta is 0, and its shift is false.

    Raises:
        StorytellerError: the outputs are not [n, outputs].
    """
    vectors = output_array(outputs)
    if vectors.ndim != 2:
        raise StorytellerError(f"expected outputs [n, {PREDICTIONS.size}], got shape {vectors.shape}")
    columns: Columns = {}
    for region in PREDICTIONS.regions:
        for field in region.fields:
            raw = vectors[:, region.locate(field.name)]
            if field.kind is Kind.ONE_HOT:
                read: NDArray[Any] = last_argmax(raw)
            else:
                read = raw > np.float32(BINARY_CUT) if field.kind is Kind.BINARY else raw.copy()
                read = read if field.labels else read[:, 0]
            columns[f"{region.name}.{field.name}"] = read
    del columns[_TARGET]
    # Rounded half away from zero. A float32 plus 0.5 is exact in float64; a NaN and what is negative give 0.
    index = np.nan_to_num(columns[_DOMINANT].astype(np.float64), nan=0.0)
    columns[_DOMINANT] = np.floor(np.clip(index, 0, len(Primary) - 1) + 0.5).astype(np.int64)
    kept = np.abs(columns[_DELTA]) > np.float32(DELTA_FLOOR)
    columns[_DELTA] = np.where(kept, columns[_DELTA], np.float32(0))
    columns[_SHIFT] &= kept
    return columns


def _write(layout: Layout, columns: Mapping[str, ArrayLike], without: str = "") -> NDArray[np.float32]:
    """Columns of every field of a layout, but for `without`, as vectors [n, size]."""
    fields = {f"{region.name}.{field.name}": (region, field) for region in layout.regions for field in region.fields}
    fields.pop(without, None)
    if wrong := sorted(fields.keys() ^ columns.keys()):
        state = "unknown" if wrong[0] in columns else "missing"
        raise StorytellerError(f"column {wrong[0]!r} is {state}; expected {', '.join(fields)}")
    values = {name: _slot_values(*fields[name], np.asarray(column)) for name, column in columns.items()}
    counts = {name: len(array) for name, array in values.items()}
    if len(set(counts.values())) > 1:
        raise StorytellerError(f"columns have different numbers of examples: {counts}")
    vectors = np.zeros((next(iter(counts.values())), layout.size), dtype=np.float32)
    for name, (region, field) in fields.items():
        # A view: only the last axis is split, whose floats lie side by side.
        slots = vectors[:, region.span].reshape(len(vectors), region.slots, region.per_slot)
        slots[:, : values[name].shape[1], region.within_slot(field.name)] = values[name]
    return vectors


def _slot_values(region: Region, field: Field, column: NDArray[Any]) -> NDArray[np.float32]:
    """One column as the floats of its field, [n, slots given, floats of the field]."""
    name = f"{region.name}.{field.name}"
    axes = ["n"]
    if region.slot_labels is not None:
        axes.append("slots")
    if field.kind is not Kind.ONE_HOT and field.labels:
        axes.append(str(field.size))
    if column.ndim != len(axes) or (axes[-1].isdigit() and column.shape[-1] != field.size):
        raise StorytellerError(f"column {name!r} has shape {column.shape}; expected [{', '.join(axes)}]")
    kinds, wanted = _DTYPES[field.kind]
    if column.dtype.kind not in kinds:
        raise StorytellerError(f"column {name!r} holds {column.dtype}; expected {wanted}")
    column = column[:, None] if region.slot_labels is None else column[:, : region.slots]
    if field.kind is Kind.ONE_HOT:
        lowest = 0 if region.slot_labels is None else -1
        wrong = (column < lowest) | (column >= field.size)
        _refuse(name, wrong, column, f"a position from {lowest} to {field.size - 1}")
        column = column[..., None] == np.arange(field.size)
    elif not field.labels:
        column = column[..., None]
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused
        values: NDArray[np.float32] = column.astype(np.float32)
    _refuse(name, ~np.isfinite(values), column, "a finite number")
    return values


def _refuse(name: str, wrong: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
    """Raises for the first value that is wrong; its position counts examples, slots, floats."""
    if wrong.any():
        position = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise StorytellerError(f"column {name!r} has {values[position]} at {position}; expected {expected}")
