"""A run between two epochs on disk: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import event_fingerprint

from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.training.recipe import Recipe
from storyteller_trainer.events.training.train import Trainer, TrainState
from storyteller_trainer.runs.tensor_file import package_versions, read_metadata, read_tensors, save_tensors

_MODEL = "model."
_OPTIMIZER = "optimizer."


class RunState(msgspec.Struct, kw_only=True):
    """What `last.safetensors` says beside its tensors."""

    task: Task
    #: As the user named it.
    encoder: str
    recipe: Recipe
    #: SHA-256, hex, of the training file and of the tokenizer.
    data_hash: str
    tokenizer_hash: str
    course: TrainState
    #: By which the run computes; 0 in files of versions that did not note it.
    threads: int = 0
    fingerprint: str = msgspec.field(default_factory=event_fingerprint)
    versions: dict[str, str] = msgspec.field(default_factory=lambda: package_versions("transformers", "tokenizers"))


def save_state(path: Path, state: RunState, trainer: Trainer) -> None:
    """Writes the state, the weights and the optimizer's moments as one file, atomically."""
    tensors = {f"{_MODEL}{name}": tensor for name, tensor in trainer.model.state_dict().items()}
    for name, parameter in trainer.model.named_parameters():
        for key, value in trainer.optimizer.state.get(parameter, {}).items():
            tensors[f"{_OPTIMIZER}{name}/{key}"] = value
    save_tensors(path, tensors, state)


def read_state(path: Path) -> RunState:
    """The state without its tensors; errors as in `read_metadata`."""
    return read_metadata(path, RunState)


def load_state(path: Path, trainer: Trainer) -> None:
    """Brings a trainer of the same task, recipe and encoder to where the saved one stood.

    Raises:
        StorytellerError: the file is damaged, or its tensors do not fit.
    """
    tensors, state = read_tensors(path, RunState)
    try:
        weights = {name.removeprefix(_MODEL): t for name, t in tensors.items() if name.startswith(_MODEL)}
        trainer.model.load_state_dict(weights)
        parameters = dict(trainer.model.named_parameters())
        for name in tensors.keys() - {f"{_MODEL}{name}" for name in weights}:
            parameter_name, _, key = name.removeprefix(_OPTIMIZER).rpartition("/")
            parameter = parameters[parameter_name]
            # AdamW counts its steps on the CPU, except where one fused kernel does everything.
            apart = key == "step" and not trainer.optimizer.defaults["fused"]
            trainer.optimizer.state[parameter][key] = tensors[name].to("cpu" if apart else parameter.device)
    except (KeyError, RuntimeError) as error:
        raise StorytellerError(f"{path}: its tensors do not fit the model ({error}); train anew") from error
    trainer.course = state.course
