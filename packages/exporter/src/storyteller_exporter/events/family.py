"""What an event or entity file has to do: run on every batch and length, decode, and give PyTorch's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import decode_events
from storyteller_schema.contract.onnx import Interface
from storyteller_schema.contract.spans import decode_spans
from storyteller_trainer.events.data.encoding import Encoded, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.checkpoint import EventCheckpoint, load_event_checkpoint, tokenizer_hash
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.held_out import sentences_at, sentences_of_run
from storyteller_trainer.events.model.tokenizer import normalised, read_tokenizer
from storyteller_trainer.reading.jsonl import DataGoneError
from storyteller_trainer.runs.run_files import BEST
from tokenizers import Tokenizer

from storyteller_exporter.checks.family import Real
from storyteller_exporter.checks.inspection import Inspection
from storyteller_exporter.checks.notes import scores, whole
from storyteller_exporter.checks.parity import Arrays, Case, Predictor
from storyteller_exporter.checks.verification_report import Change, Status, Verification
from storyteller_exporter.events.cases import REAL_SENTENCES, events_cases
from storyteller_exporter.events.file_metadata import (
    MAX_LENGTH,
    NOTES,
    SCORES,
    TOKENIZER,
    TOKENIZER_HASH,
    describe_source,
    source_notes,
)
from storyteller_exporter.events.quality import SENTENCES, changes
from storyteller_exporter.events.reference_model import reference_model
from storyteller_exporter.sandbox.messages import Done, Tokenize
from storyteller_exporter.sandbox.process import RefusedError, Sandbox, StoppedError

#: No encoder takes more tokens, and no file of the engine's is asked for more than 128.
LONGEST = 100_000


class EventsFamily:
    """An event or entity file, or the joint one of both: sentences in tokens in, logits out."""

    # Six to twelve layers of float32, added up in another order. There is no relative part: logits stay near 10.
    atol = 1e-4
    rtol = 0.0
    notes = NOTES
    judged_by = "F1"
    judged_on = "held-out sentences"

    def __init__(
        self,
        inspection: Inspection,
        report: Verification,
        *,
        checkpoint: Path | EventCheckpoint | None = None,
        data: Path | None = None,
    ) -> None:
        """
        Args:
            inspection: of the file, beside which the tokenizer lies.
            report: on it.
            checkpoint: where it lies, or what was loaded from there.
            data: sentences; None for those that the run held out.
        """
        assert inspection.interface is not None
        self._tokenizer = inspection.path.parent / TOKENIZER
        self._sandbox = inspection.sandbox
        self._interface = inspection.interface
        self._task = Task(inspection.interface.name)
        self._report = report
        self._given = checkpoint
        self._source: EventCheckpoint | None = None
        self._place = data
        self._vocabulary: int | None = None
        self._sentences: list[Encoded] = []

    def reference(self) -> Predictor | None:
        """The classifier of the checkpoint."""
        self._source = _checkpoint(self._given, self._task, self._sandbox, self._report)
        if self._source is None:
            return None
        return torch_predictor(reference_model(self._source, self._report.metadata), self._interface)

    def data(self) -> Real:
        """The named sentences, else those that the run held out, in the tokens of the tokenizer beside the file."""
        examples, missing = _data(self._place, self._source, self._report)
        tokenizer = None
        with self._report.isolated("tokenizer"):
            tokenizer = _tokenizer(self._tokenizer, [one.text for one in examples], self._sandbox, self._report)
        if tokenizer is None:
            return Real(0, "there is no tokenizer that can be used")
        self._vocabulary = tokenizer.get_vocab_size()
        if examples:
            self._sentences = encode(examples, tokenizer).items
        return Real(min(len(self._sentences), SENTENCES), missing)

    def cases(self) -> list[Case]:
        """Random tokens, and real sentences where there are some."""
        return events_cases(self._vocabulary, _evenly_spaced(self._sentences, REAL_SENTENCES))

    def scores(self) -> dict[str, float]:
        """F1 on the validation part, as the run's summary has it."""
        noted = self._report.metadata.get(SCORES)
        found = scores(noted) if self._source is None and noted else {}
        if self._source is not None:
            found = self._source.metadata.validation
        return {f"validation {name.replace('_f1', ' F1')}": value for name, value in found.items()}

    def check(self, predict: Predictor, ran: Sequence[tuple[Case, Arrays]]) -> None:
        """Longer input than the file states is refused, and every row can be read as the engine reads it."""
        with self._report.isolated("maximum length"):
            self._check_limit(predict)
        self._check_decoding(ran)

    def changes(self, predict: Predictor, reference: Predictor) -> list[Change]:
        """Of F1."""
        return changes(reference, predict, _evenly_spaced(self._sentences, SENTENCES), self._task)

    def _check_limit(self, predict: Predictor) -> None:
        stated = self._report.metadata.get(MAX_LENGTH)
        if stated is None:
            detail = "the file states none; cut after 128 tokens before it is called"
            self._report.add("maximum length", Status.WARNING, detail)
            return
        try:
            limit = whole(stated)
        except ValueError:
            limit = 0
        if not 1 <= limit <= LONGEST:
            detail = f"states {stated[:40]!r}, expected a number of tokens from 1 to {LONGEST:,}: export again"
            self._report.add("maximum length", Status.FAILED, detail)
            return
        longer = np.ones((1, limit + 1), dtype=np.int64)
        try:
            predict([{"input_ids": longer, "attention_mask": longer}])
        except StoppedError as error:
            self._report.add("maximum length", Status.FAILED, f"{longer.size} tokens: {error}")
        except RefusedError:
            self._report.add("maximum length", Status.OK, f"{limit} tokens; longer input is refused")
        else:
            detail = f"states {limit} tokens and runs on {longer.size}: export again"
            self._report.add("maximum length", Status.FAILED, detail)

    def _check_decoding(self, ran: Sequence[tuple[Case, Arrays]]) -> None:
        kinds = "event_logits" if self._task is Task.JOINT else "logits"
        labels = "ner_logits" if self._task is Task.JOINT else "logits"
        sentences, problems = 0, []
        for case, outputs in ran:
            assert case.valid is not None
            for index, tokens in enumerate(case.valid.sum(axis=1)):
                sentences += 1
                try:
                    if self._task.finds_events and kinds in outputs:
                        decode_events(outputs[kinds][index])
                    if self._task.finds_entities and labels in outputs:
                        places = [(place, place + 1) for place in range(tokens)]
                        decode_spans(outputs[labels][index][:tokens], places, [False] * tokens)
                except StorytellerError as error:
                    problems.append(str(error))
        self._report.judge("decodes", sorted(set(problems)), f"{sentences} sentences, by the engine's rules")


def torch_predictor(model: torch.nn.Module, interface: Interface) -> Predictor:
    """The PyTorch model under the same signature as a file."""

    def predict(feeds: Arrays) -> Arrays:
        outputs = model(*(torch.from_numpy(feeds[name]) for name in interface.input_names))
        if isinstance(outputs, torch.Tensor):
            outputs = {interface.output_names[0]: outputs}
        return {name: value.numpy() for name, value in outputs.items()}

    def predict_all(feeds: Sequence[Arrays]) -> list[Arrays]:
        with torch.inference_mode():
            return [predict(each) for each in feeds]

    return predict_all


def _evenly_spaced(sentences: Sequence[Encoded], count: int) -> list[Encoded]:
    chosen = np.linspace(0, len(sentences) - 1, min(count, len(sentences))).round().astype(int)
    return [sentences[index] for index in chosen]


def _checkpoint(
    given: Path | EventCheckpoint | None, task: Task, sandbox: Sandbox, report: Verification
) -> EventCheckpoint | None:
    """The run itself, or the one of this task in a folder of runs."""
    if given is None:
        return None
    try:
        source = _load(_run(given, task), sandbox) if isinstance(given, Path) else given
    except StorytellerError as error:
        report.add("checkpoint", Status.FAILED, str(error))
        return None
    about = source.metadata
    if about.task is not task:
        detail = f"{source.folder} holds a model of task {about.task}, the file one of {task}"
        report.add("checkpoint", Status.FAILED, detail)
        return None
    expected = source_notes(about)
    described = describe_source(expected)
    found = {key: report.metadata.get(key) for key in expected}
    if None in found.values():
        report.add("checkpoint", Status.WARNING, f"{described}; the file does not say which checkpoint it comes from")
    elif found != expected:
        made = describe_source(report.metadata)
        report.add(
            "checkpoint", Status.FAILED, f"the file was exported from {made}; given is {described}: export again"
        )
    else:
        report.add("checkpoint", Status.OK, described)
    return source


def _load(run: Path, sandbox: Sandbox) -> EventCheckpoint:
    tokenizer = run / TOKENIZER
    if tokenizer.is_file():
        try:
            sandbox.ask(Tokenize(str(tokenizer), []), Done)
        except RefusedError as error:
            raise StorytellerError(error.about(tokenizer)) from error
    return load_event_checkpoint(run)


def _run(path: Path, task: Task) -> Path:
    return path if (path / BEST).is_file() else path / task


def _tokenizer(path: Path, texts: list[str], sandbox: Sandbox, report: Verification) -> Tokenizer | None:
    """The tokenizer beside the file, without which the engine cannot use it; None where it cannot be used.

    The library aborts the process on some files: what it does here it has done in the sandbox before.

    Args:
        texts: what it will be used on.
    """
    try:
        sandbox.ask(Tokenize(str(path), []), Done)
        tokenizer = read_tokenizer(path)
    except (StorytellerError, RefusedError) as error:
        report.add("tokenizer", Status.FAILED, error.about(path) if isinstance(error, RefusedError) else str(error))
        return None
    problems, usable = [], True
    if tokenizer.padding is not None:
        problems.append("it pads by itself: export again, or set padding to null")
    if tokenizer.truncation is not None:
        problems.append("it cuts by itself: export again, or set truncation to null")
    expected = report.metadata.get(TOKENIZER_HASH)
    if expected is not None and tokenizer_hash(tokenizer) != expected:
        problems.append("it is not the one that the model was exported with: export again")
    try:
        sandbox.ask(Tokenize(str(path), texts), Done)
    except RefusedError as error:
        problems.append(f"on the real sentences: {error}")
        usable = False
    report.judge("tokenizer", problems, f"{tokenizer.get_vocab_size():,} tokens, no padding, no truncation")
    return normalised(tokenizer) if usable else None


def _data(path: Path | None, source: EventCheckpoint | None, report: Verification) -> tuple[list[EventExample], str]:
    """The real sentences, and why there are none."""
    try:
        if path is not None:
            examples, told = sentences_at(path, source)
        elif source is not None:
            examples, told = sentences_of_run(source)
        else:
            return [], "no --checkpoint and no --data was given"
    except StorytellerError as error:
        report.add("data", Status.FAILED, str(error))
        return [], str(error)
    except DataGoneError as error:
        report.add("data", Status.SKIPPED, f"{error}: parity on generated cases only")
        return [], str(error)
    report.add("data", Status.OK, told)
    return examples, ""
