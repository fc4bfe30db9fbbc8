"""What stands beside a training file: how it was made, how much there is of it, how good a model of it can become."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.predictions import HEADS

from storyteller_trainer.character.data.chunks import Arrays, examples_hash
from storyteller_trainer.reading.jsonl import numbered_lines

#: The version of the manifest's own format.
VERSION = "1.0"
#: The engine's generator rejects examples whose coherence is below this; its manifests do not say so.
MIN_COHERENCE = 0.6


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME.manifest.json` beside `NAME.jsonl`."""

    version: str = VERSION
    #: Examples drawn: valid ones and rejected ones.
    total_generated: int
    #: Examples in the file.
    total_valid: int
    #: Examples left out because their coherence was too low.
    total_rejected: int
    #: Of the examples in the file.
    mean_coherence: float
    #: The share of the genre's cells that have an example in the file.
    matrix_coverage: float
    input_features: int
    output_features: int
    #: ISO 8601, UTC.
    generated_at: str
    seed: int
    genre: str
    #: Cells that have an example in the file.
    cells: int
    min_coherence: float
    schema_fingerprint: str
    #: Of the examples in the file, whatever their order (`chunks.examples_hash`).
    examples_hash: str
    irreducible_loss: IrreducibleLoss
    #: By output field that is left to chance: the highest accuracy that can be expected of a model.
    best_accuracy: dict[str, float]


class IrreducibleLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Nats for cross-entropies, squared units for numbers; a head is the sum of its terms."""

    #: The weighted sum of the heads.
    total: float
    action: float
    speech: float
    thought: float
    emotion: float
    #: By output field, such as `action.type`. A term over several outputs is their mean, as in training.
    terms: dict[str, float]


def combine(terms: Mapping[str, float], head_weights: Mapping[str, float]) -> IrreducibleLoss:
    """Sums terms into heads, and heads into the weighted total."""
    heads = {head: sum(value for name, value in terms.items() if name.startswith(f"{head}.")) for head in HEADS}
    total = sum(head_weights[head] * value for head, value in heads.items())
    return IrreducibleLoss(total=total, terms=dict(terms), **heads)


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """What no model of a data set can go beyond, as far as its manifest says."""

    #: The irreducible loss by output field; None where the manifest says nothing of it.
    terms: dict[str, float] | None = None
    #: As in `Manifest`; empty where the manifest says nothing of it.
    best_accuracy: dict[str, float] = {}
    #: Examples below were rejected; None where files with different thresholds were put together.
    min_coherence: float | None = MIN_COHERENCE

    def irreducible(self, head_weights: Mapping[str, float]) -> IrreducibleLoss | None:
        """The terms, summed up by these weights of the heads."""
        return None if self.terms is None else combine(self.terms, head_weights)


def manifest_path(path: StrPath) -> Path:
    """`NAME.manifest.json` beside `NAME.jsonl` or `NAME.jsonl.gz`."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".manifest.json")


class _ToldByManifest(msgspec.Struct):
    """The part of a manifest that is read here. The engine's own manifests have nothing of it but the number."""

    total_valid: int | None = None
    cells: int | None = None
    mean_coherence: float | None = None
    examples_hash: str | None = None
    irreducible_loss: IrreducibleLoss | None = None
    best_accuracy: dict[str, float] = {}
    min_coherence: float = MIN_COHERENCE


class _Score(msgspec.Struct):
    """The part of a line that an old manifest is judged by."""

    coherence_score: float


#: How far a mean coherence may be from the mean of the lines: they are summed up in another order.
_ROUNDING = 1e-9


def read_ceiling(path: Path, examples: Arrays) -> tuple[Ceiling, tuple[str, ...]]:
    """What the manifest beside a training file says, where there is one, and what is to be told about it.

    A manifest of other examples is left out. That is told by the hash of the examples in it. One that was made before
    manifests had a hash is used if the number of examples and of cells and the mean coherence, for which the file is
    read once more, are those of the file; where it lacks one of them it is left out.

    Raises:
        StorytellerError: it is there, but is no JSON object, or says what it says in another form.
    """
    file = manifest_path(path)
    if not file.is_file():
        return Ceiling(), ()
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise StorytellerError(
            f"{file}: not a manifest ({error}); make it again with the data, or delete it"
        ) from error
    try:
        told = msgspec.convert(manifest, _ToldByManifest)
    except msgspec.ValidationError as error:
        raise StorytellerError(f"{file}: {error}; make the data again, or delete it") from error
    found = len(examples.cells)
    if told.total_valid not in (None, found):
        return Ceiling(), (_left_out(file, f"speaks of {told.total_valid} examples, but {path.name} holds {found}"),)
    if told.irreducible_loss is None and not told.best_accuracy:
        return Ceiling(), ()
    if told.examples_hash is None:
        refusal = _difference_of_old(told, path, examples)
        notice = f"{file}: has no hash of its examples; it is used, as their number, cells and mean coherence agree"
    else:
        other = told.examples_hash != examples_hash(examples.digests)
        refusal = f"speaks of other examples than {path.name} holds" if other else None
        notice = None
    if refusal is not None:
        return Ceiling(), (_left_out(file, refusal),)
    loss = told.irreducible_loss
    terms = loss.terms if loss else None
    ceiling = Ceiling(terms=terms, best_accuracy=told.best_accuracy, min_coherence=told.min_coherence)
    return ceiling, (notice,) if notice else ()


def _left_out(file: Path, reason: str) -> str:
    return f"{file}: {reason}; it is not used"


def _difference_of_old(told: _ToldByManifest, path: Path, examples: Arrays) -> str | None:
    """Why a manifest without a hash is not one of these examples, or cannot be known to be; None if it seems to be."""
    if told.total_valid is None or told.cells is None or told.mean_coherence is None:
        return "has no hash of its examples, nor their number, cells and mean coherence, by which they could be told"
    if told.cells != len(examples.cell_names):
        return f"speaks of {told.cells} cells, but {path.name} has {len(examples.cell_names)}"
    decode = msgspec.json.Decoder(_Score).decode
    try:
        mean = math.fsum(decode(line).coherence_score for _, line in numbered_lines(path)) / told.total_valid
    except msgspec.ValidationError:
        return f"has no hash of its examples, and {path.name} no coherence scores by which they could be told"
    if abs(mean - told.mean_coherence) > _ROUNDING:
        return f"speaks of a mean coherence of {told.mean_coherence:.6g}, but that of {path.name} is {mean:.6g}"
    return None


def threshold_of(files: Iterable[StrPath]) -> float | None:
    """The coherence below which examples of some files were rejected, as far as their manifests say.

    None where they differ. A manifest that cannot be read says nothing.
    """
    found = set()
    for file in files:
        try:
            told = msgspec.json.decode(manifest_path(file).read_bytes(), type=_ToldByManifest)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):
            told = _ToldByManifest()
        found.add(told.min_coherence)
    return found.pop() if len(found) == 1 else None
