"""The character model: from a checkpoint to `character_predictor.onnx`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, place_of
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.character.model.checkpoint import Checkpoint, CheckpointMetadata, load_checkpoint

from storyteller_exporter.character.family import CharacterFamily
from storyteller_exporter.character.file_metadata import (
    ALIGNED,
    EPOCH,
    LOSS,
    RECIPE,
    ROUNDED_BY,
    TRAINED_WITH,
    decoding_rules,
)
from storyteller_exporter.character.real_rows import find_data
from storyteller_exporter.character.reference_model import aligned
from storyteller_exporter.character.rounding import ROWS, round_model, store
from storyteller_exporter.checks.spine import verify_as
from storyteller_exporter.checks.verification_report import Verdict
from storyteller_exporter.export.delivery import deliver, staging
from storyteller_exporter.export.score_notes import score_notes
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import opset, write_model
from storyteller_exporter.onnx.torch_export import export_module
from storyteller_exporter.report.model_card import MODEL_CARD, CardFile, model_card
from storyteller_exporter.sandbox.limits import UNLIMITED
from storyteller_exporter.verify.verification import REPORT_NAME

#: Bytes that a file may have, by precision: 407,210 parameters of four bytes or of one, and about 15 KB of graph.
SIZE_LIMITS = {metadata_props.FLOAT32: 1_700_000, metadata_props.INT8: 450_000}


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    file: str
    bytes: int
    parameters: int
    opset: int
    precision: str
    aligned_thresholds: bool
    #: Of the checkpoint.
    epoch: int
    val_loss: float
    metadata: dict[str, str]
    #: Of the checks that the file went through, and where they are reported.
    verdict: Verdict
    verification: str


def export_character(
    checkpoint: StrPath,
    output: StrPath,
    *,
    data: StrPath | None = None,
    align_thresholds: bool = False,
    int8: bool = False,
    allow_unjudged: bool = False,
) -> ExportReport:
    """Writes the ONNX file of a checkpoint: one complete file, opset 18, any batch size.

    The file is written aside and verified as `verify-onnx` does it. Only when it passes does it take the place of an
    old one, with the report and a model card beside it.

    Args:
        checkpoint: a run folder, whose best is taken, or one checkpoint file.
        output: the file to write.
        data: of the kind the model was trained on, for the verification; None for the run's own.
        align_thresholds: move the binary outputs so that the engine's cut falls where they were trained to be cut
            (see `aligned`).
        int8: store the weights in eight bits (rounding.py).
        allow_unjudged: take an int8 file though there is no data to judge it on.

    Raises:
        StorytellerError: the checkpoint or the data cannot be read, the model cannot be exported, the file cannot be
            written, or it fails its checks; then an old one stays.
    """
    checkpoint = Path(checkpoint)
    output = Path(output)
    source = load_checkpoint(checkpoint)
    model = aligned(source.model) if align_thresholds else source.model
    precision = metadata_props.INT8 if int8 else metadata_props.FLOAT32
    place_of(output)
    given = find_data(None if data is None else Path(data), source)
    if data is not None and given.found is None:
        raise StorytellerError(given.missing)
    with staging(output.parent, output) as stage:
        metadata = _metadata(source, precision, align_thresholds) | score_notes(source, given.found)
        # Two rows: PyTorch takes an axis of length 1 for a fixed one.
        graph = export_module(model, {"features": torch.zeros(2, FEATURES.size)}, CHARACTER)
        if int8:
            rows = given.training(ROWS)
            store(graph, round_model(model, rows))
            metadata[ROUNDED_BY] = str(0 if rows is None else len(rows))
        size = write_model(graph, stage / output.name, metadata, limit=SIZE_LIMITS[precision])
        verification = verify_as(
            stage / output.name,
            lambda _, report: CharacterFamily(report, checkpoint=source, data=given),
            limits=UNLIMITED,
        )
        verification.file = str(output)
        about = CardFile(output.name, size, verification.sha256, metadata)
        (stage / MODEL_CARD).write_text(model_card([about]), encoding="utf-8")
        deliver(stage, output.parent, [verification], allow_unjudged=allow_unjudged)
    return ExportReport(
        file=str(output),
        bytes=size,
        parameters=source.metadata.parameters,
        opset=opset(graph),
        precision=precision,
        aligned_thresholds=align_thresholds,
        epoch=source.metadata.epoch,
        val_loss=source.metadata.val_loss,
        metadata=metadata,
        verdict=verification.verdict,
        verification=str(output.with_name(REPORT_NAME)),
    )


def _metadata(source: Checkpoint, precision: str, align_thresholds: bool) -> dict[str, str]:
    about: CheckpointMetadata = source.metadata
    return metadata_props.common(
        CHARACTER,
        parameters=about.parameters,
        precision=precision,
        data_hash=about.data_hash,
        decoding=decoding_rules(align_thresholds),
    ) | {
        EPOCH: str(about.epoch),
        LOSS: repr(about.val_loss),
        RECIPE: metadata_props.as_json(about.config),
        TRAINED_WITH: metadata_props.as_json(about.versions),
        ALIGNED: "true" if align_thresholds else "false",
    }
