"""What the benchmarks train and judge on: a training set, and a test set drawn from cells that are not in it.

The validation side chooses the epoch that is kept, so a network has profited from it. The test set has been looked at
by nothing: neither its examples nor its cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.model.losses import TERMS, loss_terms
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.sample.character.cells import find_genre, valid_cells
from storyteller_trainer.sample.character.config import DEFAULT_CELLS, DEFAULT_EXAMPLES, SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors
from storyteller_trainer.sample.character.generate import Totals, draw_chunks
from storyteller_trainer.sample.character.plan import Plan, make_plan
from storyteller_trainer.sample.character.streams import CELL_STREAM, stream
from storyteller_trainer.sample.character.synthetic import random_descriptors

#: The name of the descriptor set that comes with the trainer; another set's name is the seed it is made from.
SHIPPED_SET = "shipped"
#: Added to a plan's seed for the examples of its test set.
TEST_SEED = 1_000_003
#: Test examples drawn from each cell: many cells tell more than many examples of few.
TEST_VARIATIONS = 4


@dataclass(frozen=True, kw_only=True)
class UnseenSet:
    """Examples from cells that a plan leaves out."""

    #: [examples, 453]
    features: torch.Tensor
    #: [examples, 42]
    labels: torch.Tensor
    #: The lowest loss that can be expected of any model on these scenarios.
    irreducible: float
    #: The cells drawn from.
    cells: tuple[Cell, ...]

    @torch.no_grad()
    def loss(self, model: CharacterModel) -> float:
        """The weighted loss of a network on all examples at once, without dropout."""
        terms = loss_terms(model.eval()(self.features), self.labels)
        heads = {name: sum(float(terms[term]) for term in names) for name, names in TERMS.items()}
        return sum(HEAD_WEIGHTS[name] * loss for name, loss in heads.items())

    def excess(self, model: CharacterModel) -> float:
        """By how much the loss of a network lies above the irreducible one."""
        return self.loss(model) - self.irreducible


def find_set(name: str) -> Descriptors:
    """The descriptor set of a name: `shipped`, or a whole number, the seed of a random one.

    Raises:
        StorytellerError: another name.
    """
    if name == SHIPPED_SET:
        return load_descriptors()
    if not name.isdecimal():
        raise StorytellerError(f'descriptor set "{name}": expected "{SHIPPED_SET}" or a whole number, the seed of one')
    return random_descriptors(int(name))


def cell_names(plan: Plan) -> tuple[Cell, ...]:
    """The key of each cell of a plan, in the plan's order."""
    made = plan.descriptors
    return tuple(
        Cell(made.archetypes[a].id, made.archetypes[b].id, made.dynamics[d].id, made.profiles[p].id, bool(role))
        for a, b, d, p, role in zip(
            plan.cells.archetype_a,
            plan.cells.archetype_b,
            plan.cells.dynamic,
            plan.cells.profile,
            plan.cells.a_is_role_a,
            strict=True,
        )
    )


def unseen_plan(plan: Plan, examples: int) -> Plan:
    """A plan over cells that another one leaves out.

    Raises:
        StorytellerError: it leaves out too few.
    """
    valid = valid_cells(plan.descriptors, find_genre(plan.descriptors, plan.config.genre))
    shuffled = stream(plan.config.seed, CELL_STREAM).permutation(len(valid))
    cells = max(1, examples // TEST_VARIATIONS)
    left = shuffled[len(plan.cells) :]
    if len(left) < cells:
        raise StorytellerError(f"{cells} unseen cells are asked for, but {len(left)} are left; ask for fewer examples")
    config = SampleConfig(genre=plan.config.genre, seed=plan.config.seed + TEST_SEED)
    return Plan(
        config=config,
        descriptors=plan.descriptors,
        cells=valid.take(left[:cells]),
        available=len(valid),
        counts=np.full(cells, TEST_VARIATIONS),
    )


def make_unseen_set(plan: Plan, examples: int) -> UnseenSet:
    """The test set that belongs to a training set's plan; errors as in `unseen_plan`, and a cell of both sets."""
    unseen = unseen_plan(plan, examples)
    names = cell_names(unseen)
    if shared := set(names) & set(cell_names(plan)):
        raise StorytellerError(f"{len(shared)} cells of the test set are in the training set, such as {min(shared)}")
    totals = Totals(unseen)
    chunks = list(draw_chunks(unseen))
    for chunk in chunks:
        totals.add(chunk)
    totals.require_some()
    return UnseenSet(
        features=torch.from_numpy(np.concatenate([chunk.features for chunk in chunks])),
        labels=torch.from_numpy(np.concatenate([chunk.labels for chunk in chunks])),
        irreducible=totals.irreducible.total,
        cells=names,
    )


def training_plan(name: str, examples: int) -> Plan:
    """The plan of a training set of that many examples; fewer than usual come from fewer cells, as many of each."""
    cells = min(DEFAULT_CELLS, max(2, examples * DEFAULT_CELLS // DEFAULT_EXAMPLES))
    return make_plan(find_set(name), SampleConfig(cells=cells, examples=examples))
