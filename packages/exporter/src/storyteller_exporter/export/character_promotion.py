"""Character models that are to take the place of the engine's."""

from __future__ import annotations

import shutil
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER

from storyteller_exporter.checks.verification_report import Verification
from storyteller_exporter.evaluate.character_model import is_onnx, of_checkpoint, open_model
from storyteller_exporter.export.candidate import unfinished, worse_than
from storyteller_exporter.export.character import export_character
from storyteller_exporter.export.delivery import staging
from storyteller_exporter.report.character_comparison import compare_models, data_of
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.verify.verification import verify_file


class CharacterCandidate:
    """A run or a checkpoint, which is exported, or an ONNX file; see `candidate.Candidate`."""

    files: tuple[str, ...] = (CHARACTER.file_name,)

    def __init__(self, place: Path, models: Path, *, checkpoint: Path | None = None, data: Path | None = None) -> None:
        """
        Args:
            models: the folder of the engine's models.
            checkpoint: of an ONNX file, for parity and held-out examples.
            data: to verify and compare on; None for that of the run.
        """
        self.place, self.folder = place, models
        self._run = checkpoint or (None if is_onnx(place) else place)
        self._data = data

    def runs(self) -> list[Path]:
        """The run, where it is known."""
        return [] if self._run is None else [run_of(self._run)]

    def put(self, stage: Path) -> list[Verification]:
        """The file."""
        file = stage / CHARACTER.file_name
        if not is_onnx(self.place):
            with staging(stage) as inner:
                export_character(self.place, inner / file.name, data=self._data)
                shutil.copyfile(inner / file.name, file)
        else:
            source = self.place / CHARACTER.file_name if self.place.is_dir() else self.place
            shutil.copyfile(source, file)
        return [verify_file(file, checkpoint=self._run, data=self._data)]

    def compare(self, stage: Path) -> Comparison:
        """On the run's held-out examples, by the weighted loss."""
        engine, own = open_model(self.folder / CHARACTER.file_name), open_model(stage / CHARACTER.file_name)
        known = () if self._run is None else (of_checkpoint(self._run),)
        return compare_models(engine, own, data_of(known, self._data))


def run_of(checkpoint: Path) -> Path:
    """The folder of a run, or of a checkpoint in it."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def concerns(checkpoint: Path, target: Path, data: Path | None) -> list[str]:
    """What speaks against replacing a file by an export of this run: the run is unfinished, or worse on the same data.

    Nothing is said where the two cannot be compared: export does not depend on it.
    """
    found = unfinished([run_of(checkpoint)])
    if target.is_file():
        try:
            engine, own = open_model(target), of_checkpoint(checkpoint)
            found += worse_than(target, compare_models(engine, own, data_of((own,), data)))
        except StorytellerError:
            return found
    return found
