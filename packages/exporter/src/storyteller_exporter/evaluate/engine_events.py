"""The event and entity models as the engine runs them: one sentence a call, cut and padded its way, read by its rules.

Shapes: S tokens of a sentence, special ones included; K = 8 event kinds; L = 15 BIO labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError, first_line
from storyteller_schema.common.files import StrPath
from storyteller_schema.common.hints import hint
from storyteller_schema.common.one_line import one_line
from storyteller_schema.contract.events import (
    BIO_LABELS,
    MAX_SEQ_LENGTH,
    EventKind,
    Span,
    decode_events,
    event_probabilities,
)
from storyteller_schema.contract.onnx import CHARACTER, PAD_ID, SETS, Interface
from storyteller_schema.contract.spans import decode_spans
from storyteller_trainer.events.data.encoding import Encoded, Encodings, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.checkpoint import tokenizer_hash
from storyteller_trainer.events.model.tokenizer import read_tokenizer
from tokenizers import Tokenizer

from storyteller_exporter.checks.inspection import inspect, size_of
from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.events.file_metadata import TOKENIZER, TOKENIZER_HASH
from storyteller_exporter.events.named_folders import advice, require_models
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.session import start
from storyteller_exporter.sandbox.limits import Limits
from storyteller_exporter.sandbox.messages import Done, Tokenize
from storyteller_exporter.sandbox.process import RefusedError, Sandbox

#: What a folder may hold. The outputs, file by file, are the event logits, then the entity logits.
EVENT_SETS = [together for together in SETS if CHARACTER not in together]

Floats = NDArray[np.float32]


class Padding(StrEnum):
    """To how many tokens a sentence is padded, with id 0 and mask 0."""

    #: 128, as the engine does.
    FIXED = "fixed"
    #: Not at all: a batch of one is as long as its sentence.
    DYNAMIC = "dynamic"


class SentencePrediction(msgspec.Struct, frozen=True):
    """What the engine reads from the models' outputs for one sentence."""

    #: In wire order.
    kinds: tuple[EventKind, ...]
    #: Of all K kinds, in wire order.
    probabilities: tuple[float, ...]
    #: In bytes of the text's UTF-8, in order.
    spans: list[Span]


class ModelFile(msgspec.Struct, frozen=True):
    """One ONNX file of the folder."""

    file: str
    #: `event`, `ner` or `joint`.
    task: str
    bytes: int
    #: The file's key-value notes; none in a file that was made elsewhere.
    metadata: dict[str, str]
    #: What is not as it should be, and does not keep the engine from using the file.
    warnings: list[str]


class EngineEvents:
    """A folder of event models, loaded and ready to run."""

    def __init__(self, folder: StrPath, *, threads: int = 1) -> None:
        """
        Args:
            folder: holds `event_classifier.onnx` and `ner_classifier.onnx`, or `joint_classifier.onnx`, and
                `tokenizer.json`. Where both are, the first two are taken, which is what the engine loads.
            threads: that ONNX Runtime uses inside an operator; the engine uses one.

        Raises:
            StorytellerError: a file is missing, is not what its name says, or was made for other labels or with
                another tokenizer; what was found and what is expected are named.
        """
        folder = Path(folder)
        interfaces = _interfaces(folder)
        self.folder = folder
        self.threads = threads
        paths = [folder / interface.file_name for interface in interfaces]
        with Sandbox(Limits().for_file(sum(path.stat().st_size for path in paths))) as sandbox:
            _try_tokenizer(folder / TOKENIZER, [], sandbox)
            self.tokenizer = read_tokenizer(folder / TOKENIZER)
            self.files = [_checked(path, known, sandbox) for path, known in zip(paths, interfaces, strict=True)]
        for file in self.files:
            _check_tokenizer(folder / TOKENIZER, self.tokenizer, file)
        self._sessions = [(start(folder / known.file_name, threads), known.output_names) for known in interfaces]

    def _verify(self) -> str:
        """What tells more about files that do not run well."""
        return hint("verify-onnx", self.folder, target="verify-events")

    def encode(self, examples: Sequence[EventExample]) -> Encodings:
        """Tokens of each text, cut after 128, with byte offsets.

        Raises:
            StorytellerError: the tokenizer cannot be used on these texts.
        """
        path = self.folder / TOKENIZER
        with Sandbox(Limits().for_file(path.stat().st_size)) as sandbox:
            _try_tokenizer(path, [example.text for example in examples], sandbox)
        return encode(examples, self.tokenizer)

    def run(self, item: Encoded, padding: Padding) -> tuple[Floats, Floats]:
        """The models' raw outputs for one sentence: event logits [K] and entity logits [S, L], padding left out.

        Raises:
            StorytellerError: ONNX Runtime refuses the sentence.
        """
        length = len(item.ids)
        width = MAX_SEQ_LENGTH if padding is Padding.FIXED else length
        ids = np.full((1, width), PAD_ID, np.int64)
        mask = np.zeros((1, width), np.int64)
        ids[0, :length] = item.ids
        mask[0, :length] = 1
        outputs: list[Any] = []
        try:
            for session, names in self._sessions:
                outputs += session.run(names, {"input_ids": ids, "attention_mask": mask})
        except Exception as error:  # ONNX Runtime's classes share no public base
            raise StorytellerError(
                f"{self.folder}: the models do not run on {width} tokens ({padding} padding): {first_line(error)}; "
                f"`{self._verify()}` tells more"
            ) from error
        events, entities = outputs
        return events[0], entities[0, :length]

    def predict(self, item: Encoded, padding: Padding) -> SentencePrediction:
        """Runs the models on one sentence and reads their outputs by the engine's rules.

        Raises:
            StorytellerError: the models refuse the sentence, or give NaN or infinity.
        """
        events, entities = self.run(item, padding)
        if not (np.isfinite(events).all() and np.isfinite(entities).all()):
            raise StorytellerError(
                f"{self.folder}: NaN or infinity in the models' outputs; see `{self._verify()}`, then train and export "
                "again"
            )
        return SentencePrediction(
            kinds=decode_events(events),
            probabilities=tuple(map(float, event_probabilities(events))),
            spans=decode_spans(entities, item.offsets, item.special),
        )


def _try_tokenizer(path: Path, texts: list[str], sandbox: Sandbox) -> None:
    """Has the sandbox read a tokenizer and use it on texts: what ends the process does it there, and not here.

    Raises:
        StorytellerError: it cannot be done.
    """
    try:
        sandbox.ask(Tokenize(str(path), texts), Done)
    except RefusedError as error:
        raise StorytellerError(error.about(path)) from error


def _interfaces(folder: Path) -> tuple[Interface, ...]:
    """What the folder holds."""
    require_models(folder)
    for together in EVENT_SETS:
        names = [interface.file_name for interface in together]
        missing = [name for name in names if not (folder / name).is_file()]
        if not missing:
            return together
        if len(missing) < len(names):
            raise StorytellerError(f"{folder}: {missing[0]} is missing; the engine needs {' and '.join(names)}")
    inside = [path.name for path in sorted(folder.glob("*_classifier")) if path.is_dir()]
    hint = f"; it holds {' and '.join(inside)}: name one of them" if inside else f"; {advice()}"
    expected = " or ".join(" and ".join(interface.file_name for interface in together) for together in EVENT_SETS)
    raise StorytellerError(f"{folder}: holds no event models; expected {expected}{hint}")


def _checked(path: Path, interface: Interface, sandbox: Sandbox) -> ModelFile:
    """The file, if it is complete, has this interface and stands for this workspace's labels."""
    report = Verification(file=str(path))
    size = size_of(path, report)
    if size is not None:
        inspect(path, size, sandbox, report)
    for found in (report.interface, report.metadata.get(metadata_props.INTERFACE)):
        if found not in (None, interface.name):
            raise StorytellerError(f"{path}: this is a model of task {found}, expected {interface.name}; export again")
    _check_labels(path, report.metadata)
    failed, warnings = (
        [f"{check.name}: {check.detail}" for check in report.checks if check.status is status]
        for status in (Status.FAILED, Status.WARNING)
    )
    if failed:
        raise StorytellerError(f"{path}: the engine cannot use this file: {'; '.join(failed)}")
    return ModelFile(str(path), interface.name, path.stat().st_size, report.metadata, warnings)


class _Named(msgspec.Struct):
    labels: list[str] | None = None


class _Labels(msgspec.Struct):
    """The labels in a file's notes on how it is decoded."""

    events: _Named = msgspec.field(default_factory=_Named)
    entities: _Named = msgspec.field(default_factory=_Named)


def _check_labels(path: Path, metadata: dict[str, str]) -> None:
    """The labels that the file itself names, where it does."""
    noted = _Labels()
    if metadata_props.DECODING in metadata:
        try:
            noted = msgspec.json.decode(metadata[metadata_props.DECODING], type=_Labels)
        except msgspec.MsgspecError as error:
            raise StorytellerError(f"{path}: its note on the labels cannot be read: {error}; export again") from error
    for what, found, expected in (
        ("events", noted.events.labels, EventKind.labels()),
        ("entities", noted.entities.labels, BIO_LABELS),
    ):
        if found is not None and found != list(expected):
            raise StorytellerError(
                f"{path}: made for the {what} labels {one_line(', '.join(found))}, expected {', '.join(expected)}; "
                "train and export again"
            )


def _check_tokenizer(path: Path, tokenizer: Tokenizer, file: ModelFile) -> None:
    noted, found = file.metadata.get(TOKENIZER_HASH), tokenizer_hash(tokenizer)
    if noted not in (None, found):
        raise StorytellerError(
            f"{path}: not the tokenizer that {file.file} was exported with: its SHA-256 is {found}, expected {noted}; "
            "export again"
        )
