"""What every annotation tool's file comes down to: a text, stretches of it with a label, labels of the whole text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Unit(StrEnum):
    """What offsets count."""

    CHARACTERS = "characters"
    BYTES = "bytes"
    #: Code units of UTF-16, as JavaScript counts: a character outside of the basic plane (an emoji) is two.
    UTF16 = "utf-16"


@dataclass(frozen=True)
class Mention:
    """A labelled stretch. Offsets count what `Document.offsets` says, or what the text of the mentions shows."""

    start: int
    end: int
    label: str
    #: The stretch as the tool wrote it down; None where it did not.
    text: str | None = None


@dataclass
class Document:
    """One annotated text."""

    #: Where it stands, for people: file and line, task or document.
    place: str
    text: str
    mentions: list[Mention] = field(default_factory=list)
    #: Labels of the whole text, which may be event kinds; None where the tool's file has no place for them.
    kinds: list[str] | None = None


@dataclass
class DropLog:
    """What was not taken over and why: counts, and the first few of each reason."""

    keep: int = 3
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, place: str, what: str) -> None:
        """One thing that was dropped, or taken over otherwise than it stands."""
        self.counts[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < self.keep:
            shown.append(f"{place}: {what}")

    def lines(self) -> Iterator[str]:
        """For people: each reason with its count and its first examples."""
        for reason, count in self.counts.most_common():
            yield f"{count} x {reason}"
            for example in self.examples[reason]:
                yield f"    {example}"
