"""Event data files: reading and checking."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.common.hints import hint

from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.line_parser import EventLine, OffsetUnit, parse_line
from storyteller_trainer.events.data.skeleton import text_key
from storyteller_trainer.reading.jsonl import EVENT_MAKER, check_file, numbered_lines, sha256
from storyteller_trainer.reading.problems import ProblemLog


@dataclass(frozen=True)
class EventDataset:
    """The sound examples of a file. Entity offsets are bytes of UTF-8, whatever the file counted in."""

    path: Path
    examples: list[EventExample]
    #: SHA-256, hex, of the file's bytes.
    content_hash: str

    def describe(self) -> str:
        """One line for the user: the file and how much is in it."""
        return f"Data: {self.path} ({len(self.examples):,} examples)"

    @property
    def notices(self) -> list[str]:
        """What is allowed and yet worth knowing, a line each."""
        seen = {"id": {example.id for example in self.examples}}
        seen |= {"text": {text_key(example.text) for example in self.examples}}
        return [
            f"{self.path}: {len(self.examples) - len(different)} examples have the {name} of an earlier one"
            for name, different in seen.items()
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
    return EventDataset(path, inspection.examples, sha256(path))
