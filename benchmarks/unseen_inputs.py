"""What a model makes of inputs that its training data never fills, as the engine may: history, relations, targets.

    python benchmarks/unseen_inputs.py [DATA] [--run artifacts/character]

DATA is the file that the run was trained on (default: the sample data). The validation side of the run's own split is
changed in one way at a time, in which no label rule takes an interest, so that the labels stay what they are: whatever
changes is the model's mistake. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.batch import decode_outputs_batch
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.character.training.recipe import Recipe
from storyteller_trainer.sample.fallback import CHARACTER_FILE
from validation_side import Floats, read_validation_side

SEED = 0


class Row(NamedTuple):
    """What became of the predictions of all examples."""

    name: str
    loss: float
    #: Of what follows from the input, the share that is right.
    awareness: float
    dominant: float
    #: The share of examples for which another action is predicted than without the change.
    other_action: float


def changes(features: Floats) -> Iterator[tuple[str, Floats]]:
    """The features as they are, then changed in one way at a time."""
    rng = np.random.default_rng(SEED)
    yield "as in training", features
    for turns in (1, 3):
        yield f"{turns} of 3 turns of history", _with_history(features, turns, rng)
    for more in (1, 4):
        yield f"{more + 1} of 5 relations", _with_relations(features, more, rng)
    for targets in (0, 3):
        changed = features.copy()
        changed[:, FEATURES.span("player_event.target_count")] = targets
        yield f"target_count {targets}", changed


def _with_history(features: Floats, turns: int, rng: np.random.Generator) -> Floats:
    """Random turns: any of each one-hot, a valence from -0.5 to 0.5."""
    changed, region = features.copy(), FEATURES["history"]
    for slot in range(turns):
        for field in region.fields:
            chosen = rng.integers(field.size, size=len(changed))
            values = np.eye(field.size)[chosen] if field.labels else rng.uniform(-0.5, 0.5, (len(changed), 1))
            changed[:, region.locate(field.name, slot)] = values
    return changed


def _with_relations(features: Floats, more: int, rng: np.random.Generator) -> Floats:
    """Further relations, each the first one of another example."""
    changed, region = features.copy(), FEATURES["relational_edges"]
    slots = changed[:, region.span].reshape(len(changed), region.slots, region.per_slot)
    for slot in range(1, 1 + more):
        slots[:, slot] = slots[rng.permutation(len(changed)), 0]
    changed[:, region.span] = slots.reshape(len(changed), -1)
    return changed


@torch.no_grad()
def judge(model: CharacterModel, features: Floats, labels: Floats) -> list[Row]:
    """A row for each change: features [n, 453], labels [n, 42]."""
    weights = torch.tensor(list(Recipe().head_weights.values()))
    awareness = labels[:, PREDICTIONS.span("thought.awareness")].argmax(axis=1)
    dominant = labels[:, PREDICTIONS.span("thought.dominant_emotion_index").start]
    rows: list[Row] = []
    usual: NDArray[np.int64] | None = None
    for name, changed in changes(features):
        outputs = model(torch.from_numpy(changed))
        loss = float(weights @ head_losses(loss_terms(outputs, torch.from_numpy(labels))))
        read = decode_outputs_batch(torch.cat(list(outputs.values()), dim=1).numpy())
        usual = read["action.type"] if usual is None else usual
        rows.append(
            Row(
                name,
                loss,
                float((read["thought.awareness"] == awareness).mean()),
                float((read["thought.dominant_emotion_index"] == dominant).mean()),
                float((read["action.type"] != usual).mean()),
            )
        )
    return rows


def table(rows: list[Row]) -> list[str]:
    """Markdown."""
    lines = ["| input | loss | AwarenessLevel | dominant emotion | another action |", "|---|---|---|---|---|"]
    for row in rows:
        shares = f"{row.awareness:.1%} | {row.dominant:.1%} | {row.other_action:.1%}"
        lines.append(f"| {row.name} | {row.loss:.4f} | {shares} |")
    return lines


def main() -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=CHARACTER_FILE)
    parser.add_argument("--run", type=Path, default=Path("artifacts/character"))
    arguments = parser.parse_args()
    try:
        judged = read_validation_side(arguments.run, arguments.data)
    except StorytellerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(judge(judged.checkpoint.model, judged.features, judged.labels))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
