"""What stands beside a generated file: how it was made, how much there is of it, the loss it leaves to any model."""

from __future__ import annotations

import msgspec

from storyteller_trainer.sample.character.irreducible import IrreducibleLoss

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
