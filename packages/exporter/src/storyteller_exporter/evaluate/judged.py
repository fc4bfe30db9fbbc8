"""Examples and what a model gives for them: the table that every figure of an evaluation is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import EmotionalRegister, EventType, SceneType, WireEnum
from storyteller_schema.contract.features import FEATURES
from storyteller_trainer.character.data.dataset import CACHE, CharacterDataset
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.data.rows import Stacked
from storyteller_trainer.character.model.checkpoint import Checkpoint
from storyteller_trainer.character.model.held_out import DividedData, data_at, data_of_run
from storyteller_trainer.reading.jsonl import DataGoneError, numbered_lines

from storyteller_exporter.evaluate.character_model import CharacterPredictor, Floats

#: Rows whose features are in memory at once.
CHUNK = 8192

#: What of the features an example is described by: its name to the field, and the enum whose members it holds.
SITUATION: dict[str, tuple[str, type[WireEnum]]] = {
    "event": ("player_event.event_type", EventType),
    "register": ("player_event.emotional_register", EmotionalRegister),
    "scene": ("scene_context.scene_type", SceneType),
}


class ExamplePlace(NamedTuple):
    """Where an example stands."""

    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """n examples, as one model reads them."""

    data: CharacterDataset
    #: [n]: their positions in the data.
    rows: NDArray[np.intp]
    #: [n, outputs].
    labels: Floats
    #: [n, outputs], as the model gives them: what the engine reads.
    raw: Floats
    #: [n, outputs]: the same without the shift of aligned thresholds.
    logits: Floats
    #: By name (`event`, `register`, `scene`) [n]: the position of the enum's member; -1 where there is none.
    situation: dict[str, NDArray[np.intp]]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def cells(self) -> NDArray[np.int32]:
        """[n]: the position of each example's cell in `data.cell_names`."""
        return self.data.cells[self.rows]

    def cell(self, index: int) -> Cell:
        """The cell of one of the n examples."""
        return self.data.cell_names[int(self.data.cells[self.rows[index]])]

    def described(self, index: int) -> dict[str, str]:
        """The situation of one of the n examples in words; an empty slot is `none`."""
        return {name: member(name, int(codes[index])) for name, codes in self.situation.items()}

    def places(self, indices: Sequence[int]) -> list[ExamplePlace]:
        """File and line of some of the n examples. The files are read once more, as far as needed."""
        return places(self.data, [int(self.rows[index]) for index in indices])


def member(name: str, code: int) -> str:
    """The member of a situation's enum at a position, `none` for -1."""
    return "none" if code < 0 else SITUATION[name][1].at(code).value


def judge(
    model: CharacterPredictor,
    data: CharacterDataset,
    rows: NDArray[np.intp],
    advance: Callable[[int], object] = lambda rows: None,
) -> Judged:
    """Runs the model on some examples of a data set.

    Args:
        rows: their positions, ascending; at least one.
        advance: called with a number of rows that are done.

    Raises:
        StorytellerError: as `CharacterPredictor.outputs`.
    """
    raw, labels = [], []
    codes: dict[str, list[NDArray[np.intp]]] = {name: [] for name in SITUATION}
    for start in range(0, len(rows), CHUNK):
        chosen = rows[start : start + CHUNK]
        features = np.asarray(data.features[chosen])
        labels.append(np.asarray(data.labels[chosen]))
        raw.append(model.outputs(features, advance))
        for name, (path, _) in SITUATION.items():
            one_hot = features[:, FEATURES.span(path)]
            codes[name].append(np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1))
    outputs = np.concatenate(raw)
    return Judged(
        data=data,
        rows=rows,
        labels=np.concatenate(labels),
        raw=outputs,
        logits=model.logits(outputs),
        situation={name: np.concatenate(parts) for name, parts in codes.items()},
    )


def find_examples(place: Path | None, source: Checkpoint | None) -> DividedData:
    """The data at a place, or the run's own, divided as the run did; parsed files come from the workspace's cache.

    Raises:
        StorytellerError: there is none, it is wrong, or the run's own is gone.
    """
    cache = CACHE if CACHE.is_dir() else None
    if place is not None:
        return data_at(place, source, cache)
    if source is None:
        raise StorytellerError("no data: name DATA, or a run, whose held-out examples are taken")
    try:
        return data_of_run(source, cache)
    except DataGoneError as error:
        raise StorytellerError(f"{error}; name other DATA") from error


def places(data: CharacterDataset, rows: Sequence[int]) -> list[ExamplePlace]:
    """File and line of some rows of a data set; blank lines count as lines and not as rows."""
    sizes = [len(part) for part in data.labels.parts] if isinstance(data.labels, Stacked) else [len(data)]
    found: dict[int, ExamplePlace] = {}
    first = 0
    for file, size in zip(data.files, sizes, strict=True):
        wanted = {row - first for row in rows if first <= row < first + size}
        if wanted:
            last = max(wanted)
            for row, (number, _) in enumerate(numbered_lines(file.path)):
                if row in wanted:
                    found[first + row] = ExamplePlace(file.path, number)
                if row == last:
                    break
        first += size
    return [found[row] for row in rows]
