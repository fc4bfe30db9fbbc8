"""What a character file has to do: run on every case, decode, and give the numbers of the PyTorch model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.errors import StorytellerError
from storyteller_schema.predictions import HEADS, decode_outputs
from storyteller_trainer.character.checkpoint import Checkpoint, load_checkpoint

from storyteller_exporter import character
from storyteller_exporter.character_cases import character_cases, evenly_spaced
from storyteller_exporter.character_quality import ROWS, changes
from storyteller_exporter.findings import Status, Verification, first_line
from storyteller_exporter.inspection import Inspection
from storyteller_exporter.parity import Arrays, Predictor, check_behaviour, compare_all, predictor

#: float32 on both sides, added up in another order.
ATOL = 1e-5
RTOL = 1e-5


def verify_character(
    inspection: Inspection, report: Verification, *, checkpoint: Path | None, data: Path | None
) -> None:
    """Adds the checks that run the file; `inspection` must be runnable."""
    assert inspection.session is not None
    source = _checkpoint(checkpoint, report)
    real = _data(data, report)
    predict = predictor(inspection.session)
    cases = character_cases(None if real is None else real.features)
    ran = check_behaviour(report, predict, cases, quantised=inspection.quantised)
    _check_decoding([outputs for _, outputs in ran], report)
    reference = None if source is None else torch_predictor(character.reference_model(source, report.metadata))
    if inspection.quantised:
        _check_quality(predict, reference, real, report)
        return
    if reference is None:
        report.add("PyTorch", Status.SKIPPED, "no checkpoint to compare with (--checkpoint)")
    compare_all(report, predict, reference, ran, atol=ATOL, rtol=RTOL)


def torch_predictor(model: torch.nn.Module) -> Predictor:
    """The PyTorch model under the same signature as a file."""

    def predict(feeds: Arrays) -> Arrays:
        with torch.inference_mode():
            outputs = model(torch.from_numpy(feeds["features"]))
        return {name: value.numpy() for name, value in outputs.items()}

    return predict


def _checkpoint(path: Path | None, report: Verification) -> Checkpoint | None:
    if path is None:
        return None
    try:
        source = load_checkpoint(path)
    except StorytellerError as error:
        report.add("checkpoint", Status.FAILED, str(error))
        return None
    epoch, loss = report.metadata.get(character.EPOCH), report.metadata.get(character.LOSS)
    about = f"epoch {source.metadata.epoch}, validation loss {source.metadata.val_loss:.4f}"
    if epoch is None or loss is None:
        report.add("checkpoint", Status.WARNING, f"{about}; the file does not say which checkpoint it comes from")
    elif (epoch, loss) != (str(source.metadata.epoch), repr(source.metadata.val_loss)):
        found = f"epoch {epoch}, validation loss {float(loss):.4f}"
        report.add("checkpoint", Status.FAILED, f"the file was exported from {found}; given is {about}: export again")
    else:
        report.add("checkpoint", Status.OK, about)
    return source


def _data(path: Path | None, report: Verification) -> Any | None:
    if path is None:
        return None
    from storyteller_trainer.character.dataset import load_dataset

    try:
        real = load_dataset(path)
    except StorytellerError as error:
        report.add("data", Status.FAILED, str(error))
        return None
    report.add("data", Status.OK, f"{path}: {len(real.features):,} examples")
    return real


def _check_quality(predict: Predictor, reference: Predictor | None, real: Any | None, report: Verification) -> None:
    """Eight-bit weights give other numbers: what counts is how good they are, one row at a time as the engine asks."""
    if reference is None or real is None:
        detail = "int8 is judged by its loss and accuracy on data: give --checkpoint and --data"
        report.add("quality", Status.SKIPPED, detail)
        return
    features, labels = evenly_spaced(real.features, ROWS), evenly_spaced(real.labels, ROWS)
    try:
        rows = [_joined(predict({"features": features[index : index + 1]})) for index in range(len(features))]
    except Exception as error:  # a wrong shape, reported already, or one that the runtime refuses
        report.add("quality", Status.FAILED, f"could not be judged: {first_line(error)}")
        return
    found = np.concatenate(rows)
    if not np.isfinite(found).all():
        report.add("quality", Status.FAILED, "could not be judged: the outputs are not all finite")
        return
    aligned = character.is_aligned(report.metadata)
    report.changes = changes(_joined(reference({"features": features})), found, labels, aligned=aligned)
    report.add("quality", Status.OK, f"judged on {len(labels):,} examples, one by one")


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
