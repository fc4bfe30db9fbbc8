"""What stands beside a training file: how it was made, how much there is of it, how good a model of it can become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.predictions import HEADS

#: The version of the manifest's own format.
VERSION = "1.0"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME.manifest.json` beside `NAME.jsonl`."""

    version: str = VERSION
    total_generated: int
    """Examples drawn: valid ones and rejected ones."""
    total_valid: int
    """Examples in the file."""
    total_rejected: int
    """Examples left out because their coherence was too low."""
    mean_coherence: float
    """Of the examples in the file."""
    matrix_coverage: float
    """The share of the genre's cells that have an example in the file."""
    input_features: int
    output_features: int
    generated_at: str
    """ISO 8601, UTC."""
    seed: int
    genre: str
    cells: int
    """Cells that have an example in the file."""
    min_coherence: float
    schema_fingerprint: str
    irreducible_loss: IrreducibleLoss
    best_accuracy: dict[str, float]
    """By output field that is left to chance: the highest accuracy that can be expected of a model."""


class IrreducibleLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Nats for cross-entropies, squared units for numbers; a head is the sum of its terms."""

    total: float
    """The weighted sum of the heads."""
    action: float
    speech: float
    thought: float
    emotion: float
    terms: dict[str, float]
    """By output field, such as `action.type`. A term over several outputs is their mean, as in training."""


def combine(terms: Mapping[str, float], head_weights: Mapping[str, float]) -> IrreducibleLoss:
    """Sums terms into heads, and heads into the weighted total."""
    heads = {head: sum(value for name, value in terms.items() if name.startswith(f"{head}.")) for head in HEADS}
    total = sum(head_weights[head] * value for head, value in heads.items())
    return IrreducibleLoss(total=total, terms=dict(terms), **heads)


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """What no model of a data set can go beyond, as far as its manifest says."""

    terms: dict[str, float] | None = None
    """The irreducible loss by output field; None where the manifest says nothing of it."""
    best_accuracy: dict[str, float] = {}
    """As in `Manifest`; empty where the manifest says nothing of it."""

    def irreducible(self, head_weights: Mapping[str, float]) -> IrreducibleLoss | None:
        """The terms, summed up by these weights of the heads."""
        return None if self.terms is None else combine(self.terms, head_weights)


def manifest_path(path: StrPath) -> Path:
    """`NAME.manifest.json` beside `NAME.jsonl` or `NAME.jsonl.gz`."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".manifest.json")


class _Told(msgspec.Struct):
    """The part of a manifest that says how good a model can become. The engine's own manifests have none of it."""

    irreducible_loss: IrreducibleLoss | None = None
    best_accuracy: dict[str, float] = {}


def read_ceiling(path: Path, examples: int) -> tuple[Ceiling, tuple[str, ...]]:
    """What the manifest beside a training file says, where there is one, and what is to be told about it.

    A manifest that speaks of another number of examples belongs to another file and is left out.

    Raises:
        StorytellerError: it is there, but is no JSON object, or says what it says in another form.
    """
    file = manifest_path(path)
    if not file.is_file():
        return Ceiling(), ()
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise StorytellerError(
            f"{file}: not a manifest ({error}); make it again with the data, or delete it"
        ) from error
    stated = manifest.get("total_valid", examples)
    if stated != examples:
        notice = f"{file}: speaks of {stated} examples, but {path.name} holds {examples}; it is not used"
        return Ceiling(), (notice,)
    try:
        told = msgspec.convert(manifest, _Told)
    except msgspec.ValidationError as error:
        raise StorytellerError(f"{file}: {error}; make the data again, or delete it") from error
    loss = told.irreducible_loss
    return Ceiling(terms=loss.terms if loss else None, best_accuracy=told.best_accuracy), ()
