"""What promotion has to know of a kind of model: which files the engine loads, and how a candidate becomes them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from storyteller_exporter.checks.verification_report import Verification
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.run_record import read_run


class Candidate(Protocol):
    """A model that may take the place of the engine's."""

    #: As the user named it.
    place: Path
    #: The folder from which the engine loads it, and the files there that are the model.
    folder: Path
    files: tuple[str, ...]

    def runs(self) -> list[Path]:
        """The folders of the runs that it comes from, as far as they are known."""

    def put(self, stage: Path) -> list[Verification]:
        """Writes its files into a folder, and verifies them there.

        Raises:
            StorytellerError: it cannot be read or exported.
        """

    def compare(self, stage: Path) -> Comparison:
        """The engine's files, first, with those that `put` has written.

        Raises:
            StorytellerError: they cannot be compared.
        """


def unfinished(runs: list[Path]) -> list[str]:
    """A sentence for each run that says that it did not come to its end."""
    found = []
    for folder in runs:
        record = read_run(folder)
        if record.summary.get("finished") is False:
            found.append(f"the run {folder} is not finished: it stopped after {record.summary.get('epochs', 0)} epochs")
    return found


def worse_than(target: Path, comparison: Comparison) -> list[str]:
    """What is to be said before an export, where the second model, the run's, is worse than what it replaces."""
    found = comparison.deciding
    if comparison.outcome != "worse":
        return []
    return [
        f"this run is worse than {target}, which it replaces: {comparison.decides} {found.second:.4f} against "
        f"{found.first:.4f} on {comparison.examples:,} held-out examples"
    ]
