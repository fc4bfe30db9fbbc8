"""Event models that are to take the place of the engine's: both classifiers and their tokenizer, or the joint one."""

from __future__ import annotations

import shutil
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import EVENT, JOINT, NER
from storyteller_trainer.events.model.checkpoint import load_event_checkpoint
from storyteller_trainer.runs.run_files import BEST

from storyteller_exporter.checks.verification_report import Verification
from storyteller_exporter.evaluate.event_model import event_runs, holds_files, of_runs, open_event_model
from storyteller_exporter.events.file_metadata import TOKENIZER
from storyteller_exporter.export.candidate import unfinished, worse_than
from storyteller_exporter.export.delivery import staging
from storyteller_exporter.export.events import export_events
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.event_comparison import compare_event_models
from storyteller_exporter.verify.verification import verify_file

#: Of the engine's folder, what is loaded together, by the name of the folder inside that of the models.
FILES = {
    "event_classifier": (EVENT.file_name, NER.file_name, TOKENIZER),
    "joint_classifier": (JOINT.file_name, TOKENIZER),
}
#: Sentences of a set that an export looks at before it replaces files: enough for a warning, and quick.
QUICK = 200


class EventCandidate:
    """A folder of runs, which are exported, or a folder of exported files; see `candidate.Candidate`."""

    def __init__(self, place: Path, models: Path, *, checkpoint: Path | None = None, data: Path | None = None) -> None:
        """
        Args:
            models: the folder of the engine's models, in which these have one of their own.
            checkpoint: the runs of exported files, for parity and held-out sentences.
            data: to verify and compare on; None for what the runs held out.

        Raises:
            StorytellerError: it is one of the two classifiers alone, which the engine does not load.
        """
        self.place = place
        self._exported = holds_files(place)
        self._runs = checkpoint if self._exported else place
        self._data = data
        joint = (place / JOINT.file_name).is_file() if self._exported else _is_joint(place)
        if joint and not self._exported and (place / BEST).is_file():  # export takes the folder that holds the run
            self._runs = place.parent
        self._joint = joint
        self.folder = models / ("joint_classifier" if joint else "event_classifier")
        self.files = FILES[self.folder.name]

    def runs(self) -> list[Path]:
        """Those of both tasks, or the joint one, where they are known."""
        if self._runs is None:
            return []
        return [self._runs / task for task in (["joint"] if self._joint else ["event", "ner"])]

    def put(self, stage: Path) -> list[Verification]:
        """The files."""
        if self._exported:
            for name in self.files:
                if not (self.place / name).is_file():
                    raise StorytellerError(f"{self.place / name}: there is no such file; export again")
                shutil.copyfile(self.place / name, stage / name)
        else:
            assert self._runs is not None
            with staging(stage) as inner:
                export_events(self._runs, inner, data=self._data, joint=self._joint)
                for name in self.files:
                    shutil.copyfile(inner / name, stage / name)
        models = [name for name in self.files if name != TOKENIZER]
        return [verify_file(stage / name, checkpoint=self._runs, data=self._data) for name in models]

    def compare(self, stage: Path) -> Comparison:
        """On the runs' held-out sentences, by F1."""
        engine, own = (open_event_model(folder, self.runs()) for folder in (self.folder, stage))
        return compare_event_models(engine, own, self._data)


def _is_joint(place: Path) -> bool:
    folders = event_runs(place)
    if len(folders) == 1 and folders[0].name != "joint":
        raise StorytellerError(
            f"{folders[0]}: is a run of one task, and the engine loads both; name the folder of both runs"
        )
    return len(folders) == 1


def concerns(runs: Path, target: Path, data: Path | None, *, joint: bool) -> list[str]:
    """What speaks against replacing a folder by an export of these runs: one is unfinished, or they are worse.

    They are compared on at most QUICK sentences of each set. Nothing is said where they cannot be compared.
    """
    folders = [runs / task for task in (("joint",) if joint else ("event", "ner"))]
    found = unfinished(folders)
    if holds_files(target):
        try:
            engine, own = (
                open_event_model(target, folders),
                of_runs([load_event_checkpoint(folder) for folder in folders]),
            )
            found += worse_than(target, compare_event_models(engine, own, data, most=QUICK))
        except StorytellerError:
            return found
    return found
