"""What a character file has to do: run on every case, decode, and give the numbers of the PyTorch model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError, first_line
from storyteller_schema.contract.predictions import HEADS, decode_outputs
from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint

from storyteller_exporter.character.cases import REAL_ROWS, character_cases
from storyteller_exporter.character.file_metadata import EPOCH, LOSS, is_aligned
from storyteller_exporter.character.quality import ROWS, changes
from storyteller_exporter.character.real_rows import Data, find_data
from storyteller_exporter.character.reference_model import reference_model
from storyteller_exporter.checks.inspection import Inspection
from storyteller_exporter.checks.parity import Arrays, Predictor, check_behaviour, compare_all, predictor
from storyteller_exporter.checks.verification_report import Status, Verification

#: float32 on both sides, added up in another order.
ATOL = 1e-5
RTOL = 1e-5


def verify_character(
    inspection: Inspection,
    report: Verification,
    *,
    checkpoint: Path | Checkpoint | None,
    data: Path | Data | None,
) -> None:
    """Adds the checks that run the file; `inspection` must be runnable.

    Args:
        checkpoint: where it lies, or what was loaded from there.
        data: where it lies, or what was found; None for the run's own.
    """
    assert inspection.session is not None
    source = _checkpoint(checkpoint, report)
    given = data if isinstance(data, Data) else find_data(data, source)
    if given.check is not None:
        report.checks.append(given.check)
    predict = predictor(inspection.session)
    real = given.held_out(REAL_ROWS)
    cases = character_cases(None if real is None else real[0])
    ran = check_behaviour(report, predict, cases, rounds_batches=inspection.rounds_batches)
    _check_decoding([outputs for _, outputs in ran], report)
    reference = None if source is None else torch_predictor(reference_model(source, report.metadata))
    if not inspection.quantised:
        if reference is None:
            report.add("PyTorch", Status.SKIPPED, "no checkpoint to compare with (--checkpoint)")
        compare_all(report, predict, reference, ran, atol=ATOL, rtol=RTOL)
        return
    if not inspection.rounds_batches:
        compare_all(report, predict, None, ran, atol=ATOL, rtol=RTOL)
    _check_quality(predict, reference, given, report)


def torch_predictor(model: torch.nn.Module) -> Predictor:
    """The PyTorch model under the same signature as a file."""

    def predict(feeds: Arrays) -> Arrays:
        with torch.inference_mode():
            outputs = model(torch.from_numpy(feeds["features"]))
        return {name: value.numpy() for name, value in outputs.items()}

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
        found = f"epoch {epoch}, validation loss {float(loss):.4f}"
        report.add("checkpoint", Status.FAILED, f"the file was exported from {found}; given is {about}: export again")
    else:
        report.add("checkpoint", Status.OK, about)
    return source


def _check_quality(predict: Predictor, reference: Predictor | None, given: Data, report: Verification) -> None:
    """Eight-bit weights give other numbers: what counts is how good they are, one row at a time as the engine asks."""
    real = given.held_out(ROWS)
    if reference is None or real is None:
        why = "no checkpoint to compare with" if reference is None else given.missing
        detail = f"{why}: int8 is judged by loss and accuracy on held-out examples (--checkpoint, --data)"
        report.add("quality", Status.UNJUDGED, detail)
        return
    features, labels = real
    try:
        rows = [_joined(predict({"features": features[index : index + 1]})) for index in range(len(features))]
    except Exception as error:  # a wrong shape, reported already, or one that the runtime refuses
        report.add("quality", Status.FAILED, f"could not be judged: {first_line(error)}")
        return
    found = np.concatenate(rows)
    if not np.isfinite(found).all():
        report.add("quality", Status.FAILED, "could not be judged: the outputs are not all finite")
        return
    aligned = is_aligned(report.metadata)
    report.changes = changes(_joined(reference({"features": features})), found, labels, aligned=aligned)
    report.add("quality", Status.OK, f"judged on {len(labels):,} held-out examples, one by one")


def _joined(outputs: Arrays) -> NDArray[np.float32]:
    return np.concatenate([outputs[head] for head in HEADS], axis=1)


def _check_decoding(outputs: list[Arrays], report: Verification) -> None:
    """Every row can be read as the engine reads it."""
    rows, problems = 0, []
    for case in outputs:
        if not set(HEADS) <= set(case):
            continue  # reported as a missing output
        for row in _joined(case):
            rows += 1
            try:
                decode_outputs(row)
            except StorytellerError as error:
                problems.append(str(error))
    report.judge("decodes", sorted(set(problems)), f"{rows} rows, by the engine's rules")
