"""The event and entity classifiers: from training runs to the folder that the engine loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.onnx import EVENT, JOINT, NER, Interface
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.model.checkpoint import (
    EventCheckpoint,
    load_event_checkpoint,
    tokenizer_hash,
)
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.tokenizer import normalised
from storyteller_trainer.runs.run_files import require_event_run
from tokenizers import Tokenizer
from torch import Tensor, nn

from storyteller_exporter.checks.spine import verify_as
from storyteller_exporter.checks.verification_report import Verdict, Verification, overall
from storyteller_exporter.events.family import EventsFamily
from storyteller_exporter.events.file_metadata import (
    ALIGNED,
    DETERMINER_SHARE,
    FAMILY,
    MAX_LENGTH,
    SCORES,
    SPANS,
    THRESHOLDS,
    TOKENIZER,
    TOKENIZER_HASH,
    TRAINED_WITH,
    decoding_rules,
    source_notes,
)
from storyteller_exporter.events.reference_model import reference_model
from storyteller_exporter.export.delivery import deliver, staging
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import write_model
from storyteller_exporter.onnx.quantise import quantise
from storyteller_exporter.onnx.torch_export import export_module
from storyteller_exporter.report.model_card import MODEL_CARD, CardFile, model_card
from storyteller_exporter.sandbox.limits import UNLIMITED
from storyteller_exporter.verify.verification import REPORT_NAME

INTERFACES: dict[Task, Interface] = {Task.EVENT: EVENT, Task.NER: NER, Task.JOINT: JOINT}


class ExportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One ONNX file that was written."""

    file: str
    task: str
    encoder: str
    bytes: int
    parameters: int
    precision: str
    epoch: int
    validation: dict[str, float]
    metadata: dict[str, str]


class EventExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: a folder that is complete alone."""

    folder: str
    files: list[ExportedFile]
    tokenizer: str
    #: Of the checks that the files went through, and where they are reported.
    verdict: Verdict
    verification: str


def export_events(
    runs: StrPath,
    folder: StrPath,
    *,
    data: StrPath | None = None,
    joint: bool = False,
    align_thresholds: bool = False,
    int8: bool = False,
    allow_unjudged: bool = False,
) -> EventExportReport:
    """Writes the folder that the engine loads: both classifiers and their tokenizer, or the joint one and its.

    The files are written aside and verified as `verify-onnx` does it. Only when all of them pass do they take the place
    of old ones, with the report beside them: never files of two trainings.

    Args:
        runs: holds the training runs `event` and `ner`, or `joint`.
        folder: what to write; made if need be.
        data: sentences for the verification; None for those that the runs held out.
        joint: one file with `event_logits` and `ner_logits`.
        align_thresholds: move the event logits so that the engine's 0.5 falls on the thresholds that were best on the
            run's validation part.
        int8: round the weights to eight bits.
        allow_unjudged: take int8 files though there is no data to judge them on.

    Raises:
        StorytellerError: a run is missing, of another task or contract, or the two have different tokenizers; a model
            cannot be exported; the folder cannot be written to; or a file fails its checks, then the old ones stay.
    """
    runs = Path(runs)
    folder = Path(folder)
    sources = {task: _load(runs / task, task) for task in ([Task.JOINT] if joint else [Task.EVENT, Task.NER])}
    tokenizer = _common_tokenizer(runs, sources)
    if data is not None:
        load_events(data)  # what is wrong with it is told before the long work
    files, reports = [], []
    with staging(folder) as stage:
        (stage / TOKENIZER).write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
        for task, source in sources.items():
            name = INTERFACES[task].file_name
            files.append(_export(source, tokenizer, stage / name, folder / name, int8=int8, align=align_thresholds))
            report = _verify(stage / name, source, data)
            report.file = str(folder / name)
            reports.append(report)
        cards = [
            CardFile(Path(file.file).name, file.bytes, report.sha256, file.metadata)
            for file, report in zip(files, reports, strict=True)
        ]
        (stage / MODEL_CARD).write_text(model_card(cards), encoding="utf-8")
        deliver(stage, folder, reports, allow_unjudged=allow_unjudged)
    return EventExportReport(
        folder=str(folder),
        files=files,
        tokenizer=str(folder / TOKENIZER),
        verdict=overall(reports),
        verification=str(folder / REPORT_NAME),
    )


def _verify(file: Path, source: EventCheckpoint, data: StrPath | None) -> Verification:
    place = None if data is None else Path(data)
    return verify_as(
        file,
        lambda inspection, report: EventsFamily(inspection, report, checkpoint=source, data=place),
        limits=UNLIMITED,
    )


def _load(run: Path, task: Task) -> EventCheckpoint:
    require_event_run(run.parent, task)
    source = load_event_checkpoint(run)
    if source.metadata.task is not task:
        raise StorytellerError(f"{run}: holds a model of task {source.metadata.task}, expected {task}; train it again")
    return source


def _common_tokenizer(runs: Path, sources: dict[Task, EventCheckpoint]) -> Tokenizer:
    """The tokenizer of all, without padding and truncation, which are the caller's to decide."""
    if len({source.metadata.tokenizer_hash for source in sources.values()}) > 1:
        found = ", ".join(
            f"{runs / task} (encoder {source.metadata.encoder}) with {source.metadata.tokenizer_hash}"
            for task, source in sources.items()
        )
        raise StorytellerError(
            f"the models were trained with different tokenizers, and the engine loads one for both: {found}; "
            "train both with the same --encoder, and with one version of this workspace"
        )
    return normalised(next(iter(sources.values())).tokenizer)


class _Bounded(nn.Module):
    """Refuses sequences that are longer than the model was made for, in the graph itself.

    Some encoders have no limit of their own and would run on, far from anything they were trained on. The mask is
    multiplied by as many ones as there are positions: the product of a longer mask has no common shape.
    """

    def __init__(self, model: nn.Module, limit: int) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("within", torch.ones(1, limit, dtype=torch.int64), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        within: Tensor = self.get_buffer("within")
        return self.model(input_ids=input_ids, attention_mask=attention_mask * within[:, : attention_mask.shape[1]])


def _export(
    source: EventCheckpoint, tokenizer: Tokenizer, path: Path, target: Path, *, int8: bool, align: bool
) -> ExportedFile:
    about = source.metadata
    if align and about.task.finds_events and not about.thresholds:
        raise StorytellerError(
            f"{source.folder}: the run has no thresholds to align with: it was trained by an older version; train again"
        )
    # Two rows of sixteen tokens: PyTorch takes an axis of length 1 for a fixed one.
    example = {name: torch.ones(2, 16, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    interface = INTERFACES[about.task]
    precision = metadata_props.INT8 if int8 else metadata_props.FLOAT32
    metadata = _metadata(source, tokenizer, interface, precision, align=align)
    graph = export_module(_Bounded(reference_model(source, metadata), about.max_length).eval(), example, interface)
    if int8:
        graph = quantise(graph)
    return ExportedFile(
        file=str(target),
        task=about.task,
        encoder=about.encoder,
        bytes=write_model(graph, path, metadata),
        parameters=about.parameters,
        precision=precision,
        epoch=about.epoch,
        validation=about.validation,
        metadata=metadata,
    )


def _metadata(
    source: EventCheckpoint, tokenizer: Tokenizer, interface: Interface, precision: str, *, align: bool
) -> dict[str, str]:
    about = source.metadata
    found = metadata_props.common(
        interface,
        parameters=about.parameters,
        precision=precision,
        data_hash=about.data_hash,
        decoding=decoding_rules(about.task, about.max_length),
    )
    return (
        found
        | source_notes(about)
        | {
            FAMILY: about.family,
            SCORES: metadata_props.as_json(about.validation),
            MAX_LENGTH: str(about.max_length),
            SPANS: about.spans.value,
            THRESHOLDS: metadata_props.as_json(about.thresholds),
            ALIGNED: "true" if align and about.task.finds_events else "false",
            DETERMINER_SHARE: f"{about.determiner_share:.4f}",
            TOKENIZER_HASH: tokenizer_hash(tokenizer),
            TRAINED_WITH: metadata_props.as_json(about.versions),
        }
    )
