"""`--validate-only`: every problem of the training files, and the shape of what is sound in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.chunks import Chunk, count_duplicates, count_elsewhere, gather
from storyteller_trainer.character.data.data_warnings import DataWarning, DataWatch
from storyteller_trainer.character.data.dataset import read_chunks
from storyteller_trainer.character.data.violations import Floats
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, check_file, without_copies
from storyteller_trainer.reading.problems import ProblemKind, ProblemLog


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Balance and regions are of the sound examples alone."""

    files: list[str]
    problems: int
    #: Kind of problem to how often it was found.
    problems_by_kind: dict[str, int]
    #: The first problems, as they are told to the user, each with its file.
    first_problems: list[str]
    #: Lines with at least one problem.
    lines_with_problems: int
    #: Sound lines.
    examples: int
    cells: int
    #: Sound lines whose features and labels stand in an earlier one, and how many of these under another cell.
    duplicates: int
    under_another_cell: int
    #: One-hot label field to variant to number of examples; `none` counts labels that are all zero.
    classes: dict[str, dict[str, int]]
    #: Binary label field to the share that is 1.
    rates: dict[str, float]
    #: Float label field to its lowest, mean and highest value.
    numbers: dict[str, tuple[float, float, float]]
    #: Feature region to the mean number of slots that are not all zero, and the number of slots it has.
    filled_slots: dict[str, tuple[float, int]]
    #: What is suspicious about the sound examples.
    warnings: list[DataWarning]


def survey(
    files: Iterable[StrPath],
    watch: DataWatch | None = None,
    show: Callable[[Chunk], None] = lambda chunk: None,
    notify: Callable[[str], None] = lambda line: None,
) -> Survey:
    """Reads all of the training files, sound or not; the cache is neither used nor filled.

    Of the examples only the labels are kept in memory, 168 bytes each.

    Args:
        watch: is shown every sound example; None warns of nothing.
        show: called with every chunk of sound examples.
        notify: called with lines for the user.

    Raises:
        StorytellerError: a file cannot be read at all.
    """
    paths = [Path(file) for file in files]
    for path in paths:
        check_file(path, CHARACTER_MAKER)
    paths = without_copies(paths, notify)
    logs = {path: ProblemLog() for path in paths}
    kept: list[Floats] = [np.empty((0, PREDICTIONS.size), np.float32)]
    slots: Counter[str] = Counter()

    def chunks() -> Iterator[Chunk]:
        for path, log in logs.items():
            for chunk in read_chunks(path, log.add):
                show(chunk)
                yield chunk

    def keep(features: Floats, labels: Floats) -> None:
        kept.append(labels)
        slots.update(_filled(features))
        if watch is not None:
            watch.add(features, labels)

    keys = gather(chunks(), keep)
    values = np.concatenate(kept)
    labels = {
        kind: {
            f"{region.name}.{field.name}": (field, values[:, region.locate(field.name)])
            for region in PREDICTIONS.regions
            for field in region.fields
            if field.kind is kind
        }
        for kind in Kind
    }
    some = len(values) > 0
    counts = sum((log.counts for log in logs.values()), Counter[ProblemKind]())
    first = [f"{path}: {problem}" for path, log in logs.items() for problem in log.first]
    return Survey(
        files=[str(path) for path in paths],
        problems=counts.total(),
        problems_by_kind={kind.value: count for kind, count in counts.most_common()},
        first_problems=first[: ProblemLog().keep],
        lines_with_problems=sum(len(log.lines) for log in logs.values()),
        examples=len(values),
        cells=len(keys.cell_names),
        duplicates=count_duplicates(keys.digests),
        under_another_cell=count_elsewhere(keys.cells, keys.digests),
        classes={name: _classes(field.labels, values) for name, (field, values) in labels[Kind.ONE_HOT].items()},
        rates={name: float(values.mean()) for name, (_, values) in labels[Kind.BINARY].items() if some},
        numbers={
            name: (float(values.min()), float(values.mean()), float(values.max()))
            for name, (_, values) in labels[Kind.FLOAT].items()
            if some
        },
        filled_slots={
            region.name: (slots[region.name] / len(values), region.slots) for region in FEATURES.regions if some
        },
        warnings=[] if watch is None else watch.warnings(keys.cell_names),
    )


def _classes(names: tuple[str, ...], one_hot: Floats) -> dict[str, int]:
    counts = dict(zip(names, one_hot.sum(axis=0).astype(int).tolist(), strict=True))
    none = int((~one_hot.any(axis=1)).sum())
    return counts | ({"none": none} if none else {})


def _filled(features: Floats) -> dict[str, int]:
    """By region, the number of slots of all examples that are not all zero."""
    return {
        region.name: int(features[:, region.span].reshape(-1, region.slots, region.per_slot).any(2).sum())
        for region in FEATURES.regions
    }


def survey_tables(found: Survey) -> list[Table]:
    """Problems by kind, if there are any, then the shape of the data."""
    tables = []
    if found.problems:
        problems = Table("problem", title=f"{found.problems} problems in {found.lines_with_problems} lines")
        problems.add_column("count", justify="right")
        for kind, count in found.problems_by_kind.items():
            problems.add_row(kind, str(count))
        tables.append(problems)
    elsewhere = f" ({found.under_another_cell} under another cell)" if found.under_another_cell else ""
    title = f"{found.examples} examples, {found.cells} cells, {found.duplicates} duplicates{elsewhere}"
    shape = Table("field", "of the sound examples", title=title)
    for name, counts in found.classes.items():
        shares = (f"{label} {count / max(found.examples, 1):.1%}" for label, count in counts.items())
        shape.add_row(name, ", ".join(shares))
    for name, rate in found.rates.items():
        shape.add_row(name, f"{rate:.1%} are 1")
    for name, (low, mean, high) in found.numbers.items():
        shape.add_row(name, f"{low:.3g} to {high:.3g}, mean {mean:.3g}")
    for name, (filled, slots) in found.filled_slots.items():
        shape.add_row(f"features: {name}", f"{filled:.1f} of {slots} slots filled")
    return [*tables, shape]
