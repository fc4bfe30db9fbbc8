"""Training an event classifier, from data to the folder of a run (folder.py says what is written when)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.events.data.dataset import EventDataset
from storyteller_trainer.events.data.encoding import Encodings, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.skeleton import split_group
from storyteller_trainer.events.data.split import HELD_OUT, split
from storyteller_trainer.events.model.checkpoint import load_event_checkpoint, tokenizer_hash
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.encoder_names import DEFAULT_ENCODER
from storyteller_trainer.events.model.encoders import Encoder, load_encoder
from storyteller_trainer.events.training.recipe import recipe_for
from storyteller_trainer.events.training.run_folder import EventRunFolder, RunState
from storyteller_trainer.events.training.summary import DataSummary, RunSummary
from storyteller_trainer.events.training.train import NonFiniteError, Trainer, TrainingData
from storyteller_trainer.runs.claim import claimed
from storyteller_trainer.runs.distributed import on_leader
from storyteller_trainer.runs.loop import run_epochs
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.resume import read_saved, require_same
from storyteller_trainer.runs.run_facts import facts_now
from storyteller_trainer.runs.run_files import BEST, LAST
from storyteller_trainer.runs.threads import choose_threads, computing_by


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for."""

    task: Task
    #: Of the run.
    folder: Path

    #: None for the default, or for what the resumed run had.
    encoder: str | None = None

    #: Values of the recipe that were given; None stands for one that was not.
    options: Mapping[str, object]

    #: Go on with the run in the folder; if there is none, begin one.
    resume: bool = False

    #: Go on on the CPU, from the last complete epoch, when a loss or gradient is no number.
    cpu_on_nan: bool = False

    #: By how many to compute on the CPU; None for what the resumed run had, or else for what is free.
    threads: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))  # a caller without type checks may give a str


def train_classifier(
    dataset: EventDataset,
    request: Request,
    device: torch.device,
    notify: Callable[[str], None] = lambda line: None,
    on_first_epoch: Callable[[], None] = lambda: None,
) -> RunSummary:
    """Trains a classifier, or goes on training it, and leaves everything about it in a folder.

    Args:
        notify: called with lines for the user.
        on_first_epoch: called once the first epoch of a new run is on disk.

    Raises:
        StorytellerError: the encoder cannot be loaded, the data cannot be split, the resumed run was another one, a
            loss is no number, or the folder cannot be written to or is another run's.
        Interrupted: Ctrl-C.
    """
    # Before anything is read from the folder: another run would go on changing it.
    with claimed(request.folder):
        try:
            return _run(dataset, request, device, notify, on_first_epoch)
        except NonFiniteError as error:
            if not request.cpu_on_nan or device.type == "cpu":
                raise
            notify(f"{error}")
            notify("Continuing on the CPU, as --on-nan cpu asks")
            return _run(dataset, replace(request, resume=True), torch.device("cpu"), notify, on_first_epoch)


def _run(
    dataset: EventDataset,
    request: Request,
    device: torch.device,
    notify: Callable[[str], None],
    on_first_epoch: Callable[[], None],
) -> RunSummary:
    saved = read_saved(request.folder, RunState, resume=request.resume)
    with computing_by(choose_threads(device, request.threads, saved.threads if saved else None, notify)):
        name = request.encoder or (saved.encoder if saved else DEFAULT_ENCODER)
        recipe = (saved.recipe if saved else recipe_for(name)).with_options(**request.options)
        encoder = _as_begun(load_encoder(name), saved)
        parts = split(dataset.examples, recipe.split, recipe.seed)
        examples = {part.name: getattr(parts, part.name) for part in fields(parts)}
        useful = {part: _annotated(members, request.task, part) for part, members in examples.items()}
        encodings = {part: encode(members, encoder.tokenizer) for part, members in useful.items()}
        data = TrainingData(encodings["train"].items, encodings["validation"].items)
        trainer = Trainer(request.task, recipe, encoder, data, device)
        state = RunState(
            task=request.task,
            encoder=name,
            recipe=recipe,
            data_hash=dataset.content_hash,
            tokenizer_hash=tokenizer_hash(encoder.tokenizer),
            train_state=trainer.train_state,
            threads=torch.get_num_threads(),
        )
        if saved:
            require_same(request.folder / LAST, _settings(saved), _settings(state))
        facts = _facts(dataset, examples, encodings)
        for notice in facts.notices:
            notify(notice)
        held_out = {part: examples[part] for part in HELD_OUT}
        run = EventRunFolder(request.folder, trainer, encoder, state, facts, held_out, dataset, notify)
        run.facts = facts_now(name, asdict(recipe), asdict(recipe_for(name)))
        run.on_first_epoch = on_first_epoch
        run.start(going_on=saved is not None, resume=request.resume, notify=notify, leader=on_leader)
        try:
            run_epochs(trainer, run, EpochProgress(recipe.epochs, trainer.train_state.epoch), on_leader)
        except NonFiniteError as error:
            raise NonFiniteError(f"{error}; {_rescue(request.folder, trainer, encoder.family)}") from error
        # The best epoch is scored on all parts that it was not trained on.
        trainer.model.load_state_dict(load_event_checkpoint(request.folder).model.state_dict())
        scores = {part: trainer.evaluate(encodings[part].items) for part in ("validation", *HELD_OUT)}
        return run.write_summary(run.summary(scores))


def _as_begun(encoder: Encoder, saved: RunState | None) -> Encoder:
    """The encoder with the tokenizer of the resumed run: earlier versions did not compose letters and marks."""
    before = encoder.uncomposed
    if saved and before and saved.tokenizer_hash == tokenizer_hash(before):
        return replace(encoder, tokenizer=before)
    return encoder


def _settings(state: RunState) -> dict[str, object]:
    """What a resumed run keeps."""
    return {
        "task": state.task,
        "encoder": state.encoder,
        "SHA-256 of the data": state.data_hash,
        "SHA-256 of the tokenizer": state.tokenizer_hash,
        "event contract": state.fingerprint,
        **asdict(state.recipe),
    }


def _facts(
    dataset: EventDataset, examples: Mapping[str, Sequence[EventExample]], encodings: Mapping[str, Encodings]
) -> DataSummary:
    return DataSummary(
        file=dataset.name,
        hash=dataset.content_hash,
        examples={part: len(members) for part, members in examples.items()},
        skeletons={part: len({split_group(example) for example in members}) for part, members in examples.items()},
        notices=[
            f"{part}: {notice}"
            for part, encoded in encodings.items()
            for notice in (*_useless(len(examples[part]) - len(encoded.items)), *encoded.notices())
        ],
    )


def _useless(count: int) -> list[str]:
    return [f"{count} sentences are left out, in which nothing is annotated that the task learns"] if count else []


def _annotated(examples: Sequence[EventExample], task: Task, part: str) -> Sequence[EventExample]:
    """The examples that say something about what the task learns.

    Raises:
        StorytellerError: there are none.
    """
    found = [
        example
        for example in examples
        if (task.finds_events and example.kinds_annotated)
        or (task.finds_entities and (example.categories is None or example.categories or example.entities))
    ]
    if not found:
        what = "kinds" if task is Task.EVENT else "entities"
        raise StorytellerError(
            f"task {task}: none of the {len(examples)} examples in the {part} part has its {what} annotated; train on "
            "more data beside them, or leave the task out"
        )
    return found


def _rescue(folder: Path, trainer: Trainer, family: str) -> str:
    """What is kept after a bad step, and what to do."""
    state, device = trainer.train_state, trainer.device.type
    kept = f"the step was not taken, and {folder / LAST} holds the state after epoch {state.epoch}"
    if state.best_epoch:
        kept += f", {folder / BEST} the best checkpoint, of epoch {state.best_epoch}"
    if device == "cpu":
        return f"{kept}. Lower --lr, or look at the data with --validate-only"
    advice = "Continue on the CPU: the same command with --resume --device cpu (or --on-nan cpu in the first place)"
    if device == "mps" and family.startswith("deberta"):
        advice = f"DeBERTa is known to give NaN when trained on MPS, before its first epoch is over. {advice}"
    return f"{kept}. {advice}"
