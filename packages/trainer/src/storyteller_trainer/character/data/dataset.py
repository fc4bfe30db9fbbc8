"""A training file as arrays: every line checked, parsed once, then memory-mapped from the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.common.hints import hint
from storyteller_schema.common.settings import ARTIFACTS
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.cache import Cache, stamp
from storyteller_trainer.character.data.chunks import Chunk, count_duplicates, count_elsewhere, join_chunks
from storyteller_trainer.character.data.line_parser import Cell, Example, diagnose_line, parse_line
from storyteller_trainer.character.data.manifest import Ceiling, read_ceiling
from storyteller_trainer.character.data.rows import Rows
from storyteller_trainer.character.data.violations import Floats, Mask, violations
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, WHOLE, ByteRange, check_file, numbered_lines, sha256
from storyteller_trainer.reading.problems import Problem

#: Where parsed files are kept.
CACHE = ARTIFACTS / "cache"
#: Lines checked at once: few enough to stay in a core's own cache, enough to make the checks' fixed cost small.
CHUNK = 512
#: Files that are named where many are read.
SHOWN = 5


class DataFile(msgspec.Struct, frozen=True):
    """A training file, by its place and its content."""

    #: As it was given when the data was read; absolute in `run.json`.
    path: str

    #: SHA-256, hex, of the file's bytes.
    hash: str


@dataclass(frozen=True, kw_only=True)
class CharacterDataset:
    """The examples of one file in the order of the file, or of several (shards.py)."""

    #: The file, or the folder of the files.
    path: Path

    #: Every file that the examples come from.
    files: tuple[DataFile, ...]

    #: [examples, inputs]; may be memory-mapped and read-only.
    features: Rows

    #: [examples, outputs]; may be memory-mapped and read-only.
    labels: Rows

    #: [examples]: position in `cell_names` of the cell that each example was drawn from.
    cells: NDArray[np.int32]

    #: Every cell once, sorted.
    cell_names: tuple[Cell, ...]

    #: [examples]: the first eight bytes of each example's hash.
    digests: NDArray[np.uint64]

    #: SHA-256, hex, of the file's bytes.
    content_hash: str

    #: Examples whose features and labels already stand in an earlier line.
    duplicates: int

    #: What the manifest beside the file says no model can go beyond.
    ceiling: Ceiling

    #: Things worth a line to the user that are no errors.
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.features)

    def describe(self) -> str:
        """One line for the user: the files and how much is in them."""
        names = [file.path for file in self.files]
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        files = "" if len(names) == 1 else f"{len(names)} files: "
        return f"Data: {files}{listed} ({len(self):,} examples)"

    def repetitions(self) -> list[str]:
        """A line for the user where examples repeat earlier ones; none where all differ."""
        if not self.duplicates:
            return []
        elsewhere = count_elsewhere(self.cells, self.digests)
        under = f", {elsewhere:,} of them under another cell" if elsewhere else ""
        return [f"{self.path}: {self.duplicates:,} examples have the features and labels of an earlier one{under}"]


def load_dataset(path: StrPath, cache_dir: StrPath | None = CACHE) -> CharacterDataset:
    """Reads and checks a training file (JSONL, plain or gzip), or maps what an earlier call kept of it.

    Args:
        path: the file; `NAME.manifest.json` beside it is read too.
        cache_dir: where parsed files are kept; None keeps nothing.

    Raises:
        StorytellerError: the first thing that is wrong with the file.
    """
    path = Path(path)
    cache_dir = None if cache_dir is None else Path(cache_dir)
    check_file(path, CHARACTER_MAKER)
    cache = Cache(cache_dir) if cache_dir else None
    digest = cache.digest(path) if cache else sha256(path)
    arrays = cache.load(digest) or cache.store(digest, sound_chunks(path)) if cache else None
    if arrays is None:
        arrays = join_chunks(sound_chunks(path))
    ceiling, notices = read_ceiling(path, arrays)
    return CharacterDataset(
        path=path,
        files=(DataFile(str(path), digest),),
        content_hash=digest,
        duplicates=count_duplicates(arrays.digests),
        ceiling=ceiling,
        notices=(*(cache.notices if cache else ()), *notices),
        **arrays._asdict(),
    )


def read_chunks(path: Path, report: Callable[[Problem], None], span: ByteRange = WHOLE) -> Iterator[Chunk]:
    """Parses and checks a file chunk by chunk; every problem is reported, in the order of the lines."""
    lines = numbered_lines(path, span)
    while batch := list(islice(lines, CHUNK)):
        yield _check(batch, report)


def _check(batch: list[tuple[int, bytes]], report: Callable[[Problem], None]) -> Chunk:
    lines: list[tuple[int, bytes]] = []
    examples: list[Example] = []
    problems: list[Problem] = []
    for number, line in batch:
        example = parse_line(line)
        if example is None:
            problems.extend(diagnose_line(line, number))
        else:
            lines.append((number, line))
            examples.append(example)
    chunk = _chunk(examples)
    faulty = set(np.flatnonzero(~(_finite(chunk.features) & _finite(chunk.labels))).tolist())
    for row in faulty:
        number, line = lines[row]
        problems.extend(diagnose_line(line, number))
    broken = [violation for violation in violations(chunk.features, chunk.labels) if violation.row not in faulty]
    problems.extend(violation.at_line(lines[violation.row][0]) for violation in broken)
    for problem in sorted(problems, key=lambda problem: problem.line):
        report(problem)
    faulty |= {violation.row for violation in broken}
    return _chunk([example for row, example in enumerate(examples) if row not in faulty]) if faulty else chunk


def _chunk(examples: list[Example]) -> Chunk:
    return Chunk(
        features=np.frombuffer(b"".join(e.features for e in examples), "<f4").reshape(-1, FEATURES.size),
        labels=np.frombuffer(b"".join(e.labels for e in examples), "<f4").reshape(-1, PREDICTIONS.size),
        cells=[e.cell for e in examples],
        digests=np.frombuffer(b"".join(e.digest[:8] for e in examples), np.uint64),
    )


def _finite(values: Floats) -> Mask:
    """[rows]: every number of the row is finite."""
    finite: Mask = np.all(np.isfinite(values), axis=1)
    return finite


def sound_chunks(path: Path, span: ByteRange = WHOLE) -> Iterator[Chunk]:
    """The chunks of a file that is sound, whole, and stays the same while it is read.

    Raises:
        StorytellerError: it is not; the lines named are counted from the start of the span.
    """
    before = stamp(path)
    examples = 0
    for chunk in read_chunks(path, _refuse(path), span):
        examples += len(chunk.cells)
        yield chunk
    if stamp(path) != before:
        raise StorytellerError(f"{path}: the file changed while it was read; try again when it is complete")
    if not examples:
        raise StorytellerError(f"{path}: holds blank lines only; one JSON object a line is expected")


def _refuse(path: Path) -> Callable[[Problem], None]:
    def report(problem: Problem) -> None:
        command = hint("train-character-model", "--validate-only", data=[path])
        raise StorytellerError(f"{path}: {problem}; `{command}` lists every problem")

    return report
