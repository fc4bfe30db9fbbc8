"""A character model of any form, asked as the engine asks it: an ONNX file, a run, or a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError, first_line
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.runs.run_files import BEST

from storyteller_exporter.character.family import torch_predictor
from storyteller_exporter.character.file_metadata import EPOCH, is_aligned
from storyteller_exporter.character.quality import alignment
from storyteller_exporter.checks.inspection import inspect, size_of
from storyteller_exporter.checks.parity import Arrays, Predictor
from storyteller_exporter.checks.spine import USUAL
from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.evaluate.model_facts import ModelFacts
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.session import start
from storyteller_exporter.sandbox.process import Sandbox

Floats = NDArray[np.float32]

#: The suffix by which an ONNX file is told from a checkpoint.
SUFFIX = ".onnx"
#: Rows that PyTorch takes at once.
BATCH = 4096


class CharacterPredictor:
    """A model that is loaded and ready to run."""

    def __init__(
        self,
        facts: ModelFacts,
        predict: Predictor,
        *,
        one_by_one: bool,
        checkpoint: Checkpoint | None,
        metadata: Mapping[str, str],
    ) -> None:
        self.facts = facts
        #: The one it is, or None for a file.
        self.checkpoint = checkpoint
        #: Of a file; empty for a checkpoint.
        self.metadata = metadata
        self._predict = predict
        self._one_by_one = one_by_one

    def outputs(self, features: Floats, advance: Callable[[int], object] = lambda rows: None) -> Floats:
        """Raw outputs [n, outputs] of features [n, inputs]: of a file row by row, as the engine asks.

        Args:
            advance: called with a number of rows that are done.

        Raises:
            StorytellerError: the file does not run, or gives NaN or infinity.
        """
        step = 1 if self._one_by_one else BATCH
        parts = [np.empty((0, sum(HEADS.values())), np.float32)]
        for first in range(0, len(features), step):
            part = np.ascontiguousarray(features[first : first + step], np.float32)
            try:
                (found,) = self._predict([{"features": part}])
                parts.append(np.concatenate([found[head] for head in HEADS], axis=1))
            except Exception as error:  # ONNX Runtime's classes share no public base
                raise StorytellerError(f"{self.facts.file}: does not run: {first_line(error)}; verify it") from error
            advance(len(part))
        outputs = np.concatenate(parts)
        if not np.isfinite(outputs).all():
            raise StorytellerError(f"{self.facts.file}: NaN or infinity in the outputs; train and export again")
        return outputs

    def logits(self, outputs: Floats) -> Floats:
        """Outputs [n, outputs] without the shift of aligned thresholds: what was trained."""
        return outputs - alignment() if self.facts.aligned_thresholds else outputs

    @property
    def head_weights(self) -> dict[str, float]:
        """The share of each head in the loss it was trained by; the reference recipe's where that is not known."""
        config = self.checkpoint.metadata.config if self.checkpoint else {}
        return {head: float(config.get(f"{head}_weight", weight)) for head, weight in HEAD_WEIGHTS.items()}


def is_onnx(place: Path) -> bool:
    """Whether a place that the user names stands for an ONNX file: by its suffix, or a folder of the engine's files."""
    if place.is_dir():
        return not (place / BEST).is_file() and (place / CHARACTER.file_name).is_file()
    return place.suffix == SUFFIX


def open_model(place: StrPath) -> CharacterPredictor:
    """An ONNX file or the folder of the engine's models, a run, whose best checkpoint is taken, or a checkpoint.

    Raises:
        StorytellerError: it cannot be read, or is no character model of this contract.
    """
    place = Path(place)
    return _file(place / CHARACTER.file_name if place.is_dir() else place) if is_onnx(place) else of_checkpoint(place)


def of_checkpoint(place: Path | Checkpoint) -> CharacterPredictor:
    """A run or a checkpoint; errors as in `load_checkpoint`."""
    source = load_checkpoint(place) if isinstance(place, Path) else place
    facts = ModelFacts(
        file=str(source.path),
        form="checkpoint",
        bytes=source.path.stat().st_size,
        sha256=None,
        precision=metadata_props.FLOAT32,
        aligned_thresholds=False,
        epoch=source.metadata.epoch,
        data_hash=source.metadata.data_hash,
    )
    return CharacterPredictor(facts, torch_predictor(source.model), one_by_one=False, checkpoint=source, metadata={})


def _file(path: Path) -> CharacterPredictor:
    report = Verification(file=str(path))
    size = size_of(path, report)
    inspection = None
    if size is not None:
        # Looked at in a process with limits first: what is started here has been loaded before.
        with Sandbox(USUAL.for_file(size)) as sandbox:
            inspection = inspect(path, size, sandbox, report)
    failed = [f"{check.name}: {check.detail}" for check in report.checks if check.status is Status.FAILED]
    if inspection is None or inspection.model is None or failed:
        raise StorytellerError(f"{path}: the engine cannot use this file: {'; '.join(failed) or 'it does not start'}")
    if inspection.interface is not CHARACTER or not inspection.takes_inputs:
        raise StorytellerError(f"{path}: not a character model: its inputs and outputs are others")
    about = report.metadata
    epoch = about.get(EPOCH, "")
    facts = ModelFacts(
        file=str(path),
        form="onnx",
        bytes=path.stat().st_size,
        sha256=report.sha256,
        precision=about.get(metadata_props.PRECISION, ""),
        aligned_thresholds=is_aligned(about),
        epoch=int(epoch) if epoch.isdigit() else None,
        data_hash=about.get(metadata_props.DATA_HASH, ""),
    )
    return CharacterPredictor(facts, _session_predictor(path), one_by_one=True, checkpoint=None, metadata=about)


def _session_predictor(path: Path) -> Predictor:
    """The file in ONNX Runtime, with the one thread that the engine gives it."""
    session = start(path)

    def predict(feeds: Sequence[Arrays]) -> list[Arrays]:
        return [dict(zip(HEADS, session.run(list(HEADS), dict(each)), strict=True)) for each in feeds]

    return predict
