"""Training a character network, from data to the folder of a run (folder.py says what is written when)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec
import torch
from rich.console import Console
from storyteller_schema.common.console import err
from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.files import StrPath

from storyteller_trainer.character.data.batches import make_source
from storyteller_trainer.character.data.data_summary import DataSummary
from storyteller_trainer.character.data.dataset import CharacterDataset, DataFile
from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.data.split import Split, count_shared, split_by_cell
from storyteller_trainer.character.model.checkpoint import check_fingerprint
from storyteller_trainer.character.rules.axes import AxisPlaces
from storyteller_trainer.character.rules.check import check_rules
from storyteller_trainer.character.rules.report import RulesReport
from storyteller_trainer.character.training.by_rules import claimed_ceiling, rules_of, settled
from storyteller_trainer.character.training.recipe import DEFAULT_RECIPE, RECIPES, Recipe
from storyteller_trainer.character.training.run_folder import CharacterRunFolder, LastMetadata
from storyteller_trainer.character.training.summary import RunSummary
from storyteller_trainer.character.training.train import Trainer, TrainState
from storyteller_trainer.runs import distributed
from storyteller_trainer.runs.claim import claimed
from storyteller_trainer.runs.cpus import Look
from storyteller_trainer.runs.device import subnormals_as_zero
from storyteller_trainer.runs.loop import run_epochs
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.resume import read_saved, require_same
from storyteller_trainer.runs.run_facts import facts_now
from storyteller_trainer.runs.run_files import LAST
from storyteller_trainer.runs.threads import choose_threads, computing_by

#: Bytes of features up to which the data is held in memory.
MEMORY_LIMIT = 2e9


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the first process decides for all."""

    recipe: Recipe
    #: Of the run to go on with; None begins one.
    train_state: TrainState | None
    data_hash: str
    #: What was found of the data's labels, and what is claimed because of it.
    found: RulesReport
    ceiling: Ceiling
    #: Of each process.
    threads: int


@subnormals_as_zero()
def train_character_model(
    data: CharacterDataset,
    folder: StrPath,
    device: torch.device,
    *,
    places: AxisPlaces | None = None,
    preset: str | None = None,
    options: Mapping[str, object] | None = None,
    resume: bool = False,
    memory_limit: float = MEMORY_LIMIT,
    threads: int | None = None,
    look: Callable[[], Look] | None = None,
    notify: Callable[[str], None] = lambda line: None,
    on_first_epoch: Callable[[], None] = lambda: None,
) -> RunSummary:
    """Trains a network, or goes on training it, and leaves everything about it in a folder.

    Args:
        data: from `load_dataset` or `load_shards`.
        folder: of the run.
        device: from `choose_device`.
        places: where the axes of the data's archetypes lie, for the rules that read them; None where it is not known.
        preset: the recipe's name; None for the default one, or for what the resumed run had.
        options: values of the recipe that the user gave; None stands for one that was not given.
        resume: go on with the run in the folder; if there is none, begin one.
        memory_limit: features of more bytes than this are read from the cache as they are needed (batches.py).
        threads: by how many each process computes on the CPU; None for what the resumed run had, or what is free.
        look: how many CPUs are free, if that is being watched already.
        notify: called with lines for the user.
        on_first_epoch: called once the first epoch of a new run is on disk.

    Of several processes (distributed.py) only the first one touches the folder, and its recipe counts.

    Raises:
        StorytellerError: the data cannot be split, the resumed run was another one, training diverged, or the folder
            cannot be written to or is another run's.
        Interrupted: Ctrl-C.
    """
    folder = Path(folder)
    rules = rules_of(data, places)

    def decide() -> _Plan:
        saved = read_saved(folder, LastMetadata, resume=resume)
        if saved:
            _check_saved(folder / LAST, saved, data)
        found = check_rules(data.features, data.labels, rules.archetypes, places, data.ceiling.min_coherence)
        for line in (found.line(), *found.evidence()):
            notify(line)
        return _Plan(
            recipe=_recipe(folder / LAST, saved, preset, options or {}, found, notify),
            train_state=saved.train_state if saved else None,
            data_hash=data.content_hash,
            found=found,
            ceiling=claimed_ceiling(data, rules, found),
            threads=choose_threads(
                device, threads, saved.threads if saved else None, notify, processes=distributed.size_here(), look=look
            ),
        )

    with ExitStack() as stack:
        # Before anything is read from the folder: another run would go on changing it.
        distributed.on_leader(lambda: stack.enter_context(claimed(folder)))
        plan = distributed.by_leader(decide, _Plan)
        with distributed.raise_everywhere():
            _check_same_data(data, plan.data_hash)
        stack.enter_context(computing_by(plan.threads))
        recipe = plan.recipe
        split = split_by_cell(data.cells, data.cell_names, recipe.val_fraction, recipe.seed)
        relabel = rules.expected if recipe.expected_labels else None
        train = make_source(data.features, data.labels, split.train, device, memory_limit, relabel)
        validation = make_source(data.features, data.labels, split.validation, device, memory_limit)
        trainer = Trainer(recipe, train, validation, places)
        facts = _facts(data, split)
        if warning := facts.warning():
            notify(warning)
        run = CharacterRunFolder(folder, trainer, data, facts, plan.found, plan.ceiling, device)
        began = preset or DEFAULT_RECIPE
        run.facts = facts_now(began, recipe.as_dict(), RECIPES[began].as_dict())
        run.on_first_epoch = on_first_epoch
        if plan.train_state:  # the leader reads the tensors that go with it
            trainer.train_state = plan.train_state
        run.start(going_on=plan.train_state is not None, resume=resume, notify=notify, leader=distributed.on_leader)
        trainer.synchronize()
        console = err if distributed.is_leader() else Console(quiet=True)
        progress = EpochProgress(recipe.epochs, trainer.train_state.epoch, console)
        run_epochs(trainer, run, progress, distributed.on_leader)
        return distributed.by_leader(lambda: run.write_summary(run.summary()), RunSummary)


def _facts(data: CharacterDataset, split: Split) -> DataSummary:
    return DataSummary(
        file=str(data.path),
        hash=data.content_hash,
        files=tuple(DataFile(str(Path(file.path).resolve()), file.hash) for file in data.files),
        examples=len(data),
        cells=len(data.cell_names),
        duplicates=data.duplicates,
        train_examples=len(split.train),
        validation_examples=len(split.validation),
        shared_examples=count_shared(split, data.features),
    )


def _check_same_data(data: CharacterDataset, expected: str) -> None:
    if data.content_hash != expected:
        raise StorytellerError(
            f"{data.path}: has SHA-256 {data.content_hash}, but the first process reads data with {expected}; "
            f"give all processes the same files"
        )


def _check_saved(last: Path, saved: LastMetadata, data: CharacterDataset) -> None:
    check_fingerprint(last, saved.schema_fingerprint)
    if saved.data_hash != data.content_hash:
        raise StorytellerError(
            f"{last}: trained on data with SHA-256 {saved.data_hash}, but {data.path} has {data.content_hash}; "
            f"give the same data, or train anew without --resume"
        )


def _recipe(
    last: Path,
    saved: LastMetadata | None,
    preset: str | None,
    options: Mapping[str, object],
    found: RulesReport,
    notify: Callable[[str], None],
) -> Recipe:
    """The recipe that the user asked for; a resumed run keeps its own, and only its number of epochs may change.

    Not even that where the schedule is laid out over all epochs.
    """
    if saved is None:
        return settled(RECIPES[preset or DEFAULT_RECIPE].with_options(**options), found, options, notify)
    try:
        own = Recipe(**saved.config)
    except (TypeError, WrongValue) as error:
        raise StorytellerError(f"{last}: made by another version of the trainer ({error}); train anew") from error
    if own.expected_labels and not found.follow:
        raise StorytellerError(
            f"{last}: trained on expected labels, but now not all rules are known to hold ({found.line()}); give the "
            "descriptors that it was given, or train anew without --resume"
        )
    asked = settled(RECIPES[preset].with_options(**options), found, options, notify) if preset else None
    asked = asked or own.with_options(**options)
    require_same(last, own.as_dict(), asked.as_dict(), free={"epochs"} if own.schedule == "plateau" else ())
    return asked
