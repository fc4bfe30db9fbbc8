"""What a character file has to do: run on every case, decode, and give the numbers of the PyTorch model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import HEADS, decode_outputs
from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint

from storyteller_exporter.character.cases import REAL_ROWS, character_cases
from storyteller_exporter.character.file_metadata import EPOCH, LOSS, NOTES, is_aligned
from storyteller_exporter.character.quality import ROWS, changes
from storyteller_exporter.character.real_rows import Data, find_data
from storyteller_exporter.character.reference_model import reference_model
from storyteller_exporter.checks.family import Real
from storyteller_exporter.checks.notes import number
from storyteller_exporter.checks.parity import Arrays, Case, Predictor
from storyteller_exporter.checks.verification_report import Change, Status, Verification


class CharacterFamily:
    """A character file: one row in, four heads out."""

    # float32 on both sides, added up in another order.
    atol = 1e-5
    rtol = 1e-5
    notes = NOTES
    judged_by = "loss and accuracy"
    judged_on = "held-out examples"

    def __init__(
        self, report: Verification, *, checkpoint: Path | Checkpoint | None = None, data: Path | Data | None = None
    ) -> None:
        """
        Args:
            report: on the file.
            checkpoint: where it lies, or what was loaded from there.
            data: where it lies, or what was found; None for the run's own.
        """
        self._report = report
        self._given = checkpoint
        self._source: Checkpoint | None = None
        self._place = data
        self._real = Data(None, None)

    def reference(self) -> Predictor | None:
        """The network of the checkpoint, shifted where the file says that its thresholds are aligned."""
        self._source = _checkpoint(self._given, self._report)
        if self._source is None:
            return None
        return torch_predictor(reference_model(self._source, self._report.metadata))

    def data(self) -> Real:
        """The named data, else the run's own."""
        place = self._place
        self._real = place if isinstance(place, Data) else find_data(place, self._source)
        if self._real.check is not None:
            self._report.checks.append(self._real.check)
        held_out = self._real.held_out(ROWS)
        return Real(0 if held_out is None else len(held_out[0]), self._real.missing)

    def cases(self) -> list[Case]:
        """Made-up rows, and real ones where there are some."""
        real = self._real.held_out(REAL_ROWS)
        return character_cases(None if real is None else real[0])

    def scores(self) -> dict[str, float]:
        """The weighted loss on the validation side."""
        noted = self._report.metadata.get(LOSS)
        loss = number(noted) if self._source is None and noted else None
        if self._source is not None:
            loss = self._source.metadata.val_loss
        return {} if loss is None else {"validation loss": loss}

    def check(self, predict: Predictor, ran: Sequence[tuple[Case, Arrays]]) -> None:
        """Every row can be read as the engine reads it."""
        rows, problems = 0, []
        for _, outputs in ran:
            if not set(HEADS) <= set(outputs):
                continue  # reported as a missing output
            for row in _joined(outputs):
                rows += 1
                try:
                    decode_outputs(row)
                except StorytellerError as error:
                    problems.append(str(error))
        self._report.judge("decodes", sorted(set(problems)), f"{rows} rows, by the engine's rules")

    def changes(self, predict: Predictor, reference: Predictor) -> list[Change]:
        """Of loss and accuracies."""
        held_out = self._real.held_out(ROWS)
        assert held_out is not None
        features, labels = held_out
        found = np.concatenate([_joined(outputs) for outputs in predict([{"features": row[None]} for row in features])])
        if not np.isfinite(found).all():
            raise StorytellerError("the outputs are not all finite")
        aligned = is_aligned(self._report.metadata)
        return changes(_joined(reference([{"features": features}])[0]), found, labels, aligned=aligned)


def torch_predictor(model: torch.nn.Module) -> Predictor:
    """The PyTorch model under the same signature as a file."""

    def predict(feeds: Sequence[Arrays]) -> list[Arrays]:
        with torch.inference_mode():
            found = [model(torch.from_numpy(each["features"])) for each in feeds]
        return [{name: value.numpy() for name, value in outputs.items()} for outputs in found]

    return predict


def _checkpoint(given: Path | Checkpoint | None, report: Verification) -> Checkpoint | None:
    if given is None:
        return None
    try:
        source = load_checkpoint(given) if isinstance(given, Path) else given
    except StorytellerError as error:
        report.add("checkpoint", Status.FAILED, str(error))
        return None
    epoch, loss = report.metadata.get(EPOCH), report.metadata.get(LOSS)
    about = f"epoch {source.metadata.epoch}, validation loss {source.metadata.val_loss:.4f}"
    if epoch is None or loss is None:
        report.add("checkpoint", Status.WARNING, f"{about}; the file does not say which checkpoint it comes from")
    elif (epoch, loss) != (str(source.metadata.epoch), repr(source.metadata.val_loss)):
        found = f"epoch {epoch}, validation loss {loss}"
        report.add("checkpoint", Status.FAILED, f"the file was exported from {found}; given is {about}: export again")
    else:
        report.add("checkpoint", Status.OK, about)
    return source


def _joined(outputs: Arrays) -> NDArray[np.float32]:
    return np.concatenate([outputs[head] for head in HEADS], axis=1)
