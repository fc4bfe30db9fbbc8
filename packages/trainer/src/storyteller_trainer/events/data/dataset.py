"""Event data files: reading and checking."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.common.hints import hint

from storyteller_trainer.events.data.convention import SpanConvention, convention
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.line_parser import EventLine, OffsetUnit, parse_line
from storyteller_trainer.events.data.skeleton import text_key
from storyteller_trainer.reading.jsonl import EVENT_MAKER, check_file, numbered_lines, sha256
from storyteller_trainer.reading.problems import ProblemLog


@dataclass(frozen=True)
class EventDataset:
    """The sound examples of one or several files. Entity offsets are bytes of UTF-8, whatever a file counted in."""

    paths: tuple[Path, ...]
    examples: list[EventExample]
    #: SHA-256, hex, of the file's bytes; of several files, that of their hashes, each in a line, in the order given.
    content_hash: str
    #: SHA-256, hex, of each file's bytes.
    file_hashes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The files, for people."""
        return ", ".join(map(str, self.paths))

    def describe(self) -> str:
        """One line for the user: the files and how much is in them."""
        return f"Data: {self.name} ({len(self.examples):,} examples)"

    @property
    def notices(self) -> list[str]:
        """What is allowed and yet worth knowing, a line each."""
        seen = {"id": {example.id for example in self.examples}}
        seen |= {"text": {text_key(example.text) for example in self.examples}}
        return [
            f"{self.name}: {len(self.examples) - len(different)} examples have the {field} of an earlier one"
            for field, different in seen.items()
            if len(different) < len(self.examples)
        ]


@dataclass
class FileContent:
    """What a file holds and what is wrong with it."""

    path: Path
    examples: list[EventExample] = field(default_factory=list)
    problems: ProblemLog = field(default_factory=ProblemLog)
    #: Records by what their offsets turned out to count; those where both readings name the same places not among them.
    readings: Counter[OffsetUnit] = field(default_factory=Counter)


def inspect(path: StrPath) -> FileContent:
    """Reads a whole file and collects everything that is wrong with it.

    A record's offsets count bytes or characters, whichever gives the texts of its entities. Where both do and differ,
    the reading that more of the file's other records need is taken, and bytes if there are none.

    Raises:
        StorytellerError: there is no such file, or nothing in it.
    """
    path = Path(path)
    check_file(path, EVENT_MAKER)
    inspection = FileContent(path)
    records: list[EventLine] = []
    for number, line in numbered_lines(path):
        match parse_line(line, number):
            case EventLine() as record:
                records.append(record)
            case problems:
                for problem in problems:
                    inspection.problems.add(problem)
    if not records and not inspection.problems.total:
        raise StorytellerError(f"{path}: the file is empty; one JSON object a line is expected")
    inspection.readings.update(
        reading for record in records if len(record.readings) == 1 for reading in record.readings
    )
    usual = max(OffsetUnit, key=lambda reading: inspection.readings[reading])  # bytes, the first, on a tie
    for record in records:
        reading = usual if len(record.readings) == 2 else next(iter(record.readings))
        inspection.examples.append(record.in_bytes(reading))
    return inspection


def load_events(path: StrPath) -> EventDataset:
    """Reads a file in which everything is right.

    Raises:
        StorytellerError: there is no such file, nothing in it, or something wrong in it; the first problem is told.
    """
    path = Path(path)
    inspection = inspect(path)
    if total := inspection.problems.total:
        command = hint("train-event-classifier", "--validate-only", data=[path])
        more = f" ({total - 1} more; `{command}` lists them)" if total > 1 else ""
        raise StorytellerError(f"{path}: {inspection.problems.first[0]}{more}")
    file_hash = sha256(path)
    return EventDataset((path,), inspection.examples, file_hash, (file_hash,))


def load_event_files(paths: Sequence[StrPath]) -> EventDataset:
    """Reads several files as one data set, their examples in the order of the files.

    Raises:
        StorytellerError: as `load_events`; or the files do not agree whether spans hold their determiners.
    """
    parts = [load_events(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    found = {part.name: convention(part.examples) for part in parts}
    clear = {count.name for count in found.values() if count.name is not SpanConvention.UNKNOWN}
    if len(clear) > 1:
        listed = "; ".join(f"{name}: {count.describe()}" for name, count in found.items())
        raise StorytellerError(
            f"the files disagree about what an entity span holds, and no model can learn both ({listed}); convert one "
            "with `import-annotations --determiners inside`"
        )
    hashes = tuple(part.content_hash for part in parts)
    return EventDataset(
        paths=tuple(path for part in parts for path in part.paths),
        examples=[example for part in parts for example in part.examples],
        content_hash=hashlib.sha256("".join(f"{one}\n" for one in hashes).encode()).hexdigest(),
        file_hashes=hashes,
    )
