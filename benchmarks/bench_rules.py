"""How small a change of a label rule the check at load finds, and how often it cries wolf.

    OMP_NUM_THREADS=1 python benchmarks/bench_rules.py [--examples 12000] [--sets 10] [--quiet-sets 1000]

For every change, from small to large, label sets are drawn for the scenarios of a random descriptor set by the changed
rules, and judged by the contract's. The table gives the smallest change that was found in every one of them. Then sets
that follow the rules are judged, and those that are said to differ are counted. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from storyteller_schema.contract.enums import ActionType, EventType
from storyteller_trainer.character.rules import conditionals as rules
from storyteller_trainer.character.rules import report
from storyteller_trainer.character.rules.array_views import Float32
from storyteller_trainer.character.rules.check import check_rules
from storyteller_trainer.sample.character import labels as drawing
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.cells import valid_cells
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.scenarios import draw_scenarios
from storyteller_trainer.sample.character.synthetic import random_descriptors

#: The descriptor set whose scenarios are drawn.
WORLD = 101


class Change(NamedTuple):
    """One number of a rule, and what it is changed to, the smallest change first."""

    rule: str
    what: str
    values: Sequence[float]
    #: A module or a table, and the name or the key in it.
    place: tuple[Any, Any]
    #: What stands there, by the value.
    content: Any = lambda value: value

    def made(self, value: float) -> AbstractContextManager[Any]:
        """The generator with this value."""
        where, name = self.place
        if isinstance(where, dict):
            return mock.patch.dict(where, {name: self.content(value)})
        return mock.patch.object(where, name, self.content(value))


SPEAK, RESIST = ActionType.SPEAK, ActionType.RESIST
CHANGES = (
    Change(
        report.ACTION_TYPE,
        "event Speech: Speak +2",
        (1.5, 1.25, 1.1, 1.0, 0.9, 0.8, 0.7, 0.5),
        (rules.ACTION_BY_EVENT, EventType.SPEECH),
        lambda value: {SPEAK: value},
    ),
    Change(
        report.ACTION_TYPE,
        "no rule: self_awareness above 0.6: Resist +0",
        (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0),
        (rules.ACTION_BY_AXIS, "self_awareness"),
        lambda value: {RESIST: value},
    ),
    Change(report.ACTION_TYPE, "axes above 0.6", (0.5, 0.4, 0.3, 0.25, 0.2, 0.1), (rules, "AXIS_ABOVE")),
    Change(
        report.ACTION_CONTEXT,
        "benevolence above 0.5",
        (0.49, 0.48, 0.45, 0.4, 0.35, 0.3, 0.2),
        (rules, "BENEVOLENCE_ABOVE"),
    ),
    Change(report.VALENCE, "0.2 x warmth_openness", (0.2001, 0.201, 0.21), (rules, "VALENCE_PER_WARMTH")),
    Change(
        report.VALENCE, "noise of 0.1", (0.098, 0.095, 0.094, 0.093, 0.092, 0.091, 0.09), (drawing, "VALENCE_NOISE")
    ),
    Change(
        report.SPEECH_OCCURS,
        "event Speech: 0.8",
        (0.75, 0.74, 0.73, 0.72, 0.71, 0.7),
        (rules.SPEECH_BY_EVENT, EventType.SPEECH),
    ),
    Change(
        report.SPEECH_OCCURS,
        "0.2 x expression_silence",
        (0.3, 0.32, 0.34, 0.36, 0.38, 0.4),
        (rules, "SPEECH_PER_EXPRESSION"),
    ),
    Change(
        report.SPEECH_REGISTER,
        "registers of 0.4",
        (0.41, 0.42, 0.43, 0.44, 0.45, 0.47, 0.5),
        (rules, "MARKED_REGISTER"),
    ),
    Change(report.SPEECH_REGISTER, "tension above 0.7", (0.699, 0.69, 0.68, 0.65), (rules, "HIGH_TENSION")),
    Change(
        report.DELTAS,
        "rises up to 0.25",
        (0.2501, 0.251, 0.26, 0.3),
        (drawing, "RAISED_BY"),
        lambda value: (0.05, value),
    ),
    Change(
        report.DELTAS,
        "rises up to 0.25",
        (0.249, 0.245, 0.24, 0.235, 0.23, 0.22, 0.21),
        (drawing, "RAISED_BY"),
        lambda value: (0.05, value),
    ),
    Change(report.SHIFTS, "shifts of 0.2", (0.21, 0.22, 0.24, 0.26, 0.28, 0.3, 0.35), (drawing, "SHIFT_PROBABILITY")),
    Change(report.SHIFTS, "shifts above 0.15", (0.149, 0.145, 0.14), (drawing, "SHIFT_ABOVE")),
    Change(report.SHIFTS, "shifts above 0.15", (0.151, 0.155, 0.16, 0.17, 0.18), (drawing, "SHIFT_ABOVE")),
    Change(
        report.CONFIDENCES,
        "confidences up to 0.9",
        (0.899, 0.895, 0.89, 0.885, 0.88),
        (drawing, "CONFIDENCE"),
        lambda value: (0.5, value),
    ),
)


class World:
    """Scenarios of one descriptor set."""

    def __init__(self, examples: int) -> None:
        descriptors = random_descriptors(WORLD)
        rng = np.random.default_rng(0)
        cells = valid_cells(descriptors, descriptors.genres[0])
        cells = cells.take(rng.integers(len(cells), size=examples))
        self._scenarios = draw_scenarios(Tables.of(descriptors), cells, rng)
        self._archetypes = cells.archetype_a
        self._places = axis_places(descriptors)

    def draw(self, seed: int) -> Float32:
        """Labels by the rules as they stand."""
        given = rules.conditionals(self._scenarios.features, self._scenarios.axes)
        return drawing.draw_labels(given, np.random.default_rng(seed))

    def check(self, labels: Float32) -> report.RulesReport:
        """What is found of them."""
        return check_rules(self._scenarios.features, labels, self._archetypes, self._places, 0.6)


def smallest(world: World, change: Change, sets: int) -> float | None:
    """The smallest change that is found in every one of some sets; None where none is."""
    for value in change.values:
        with change.made(value):
            drawn = [world.draw(seed) for seed in range(sets)]
        if all(change.rule in world.check(labels).of(report.DIFFER) for labels in drawn):
            return value
    return None


def rows(world: World, sets: int) -> Iterator[str]:
    """The table."""
    yield "| rule | by the contract | smallest change found |"
    yield "|---|---|---:|"
    for change in CHANGES:
        value = smallest(world, change, sets)
        found = f"none up to {change.values[-1]:g}" if value is None else f"{value:g}"
        yield f"| {change.rule} | {change.what} | {found} |"


def main() -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=12_000)
    parser.add_argument("--sets", type=int, default=10, help="drawn for every change")
    parser.add_argument("--quiet-sets", type=int, default=1000, help="drawn by the rules themselves")
    arguments = parser.parse_args()
    world = World(arguments.examples)
    for line in rows(world, arguments.sets):
        print(line, flush=True)
    alarms = sum(world.check(world.draw(1_000_000 + seed)).differ for seed in range(arguments.quiet_sets))
    print(f"\n{alarms} of {arguments.quiet_sets} sets that follow the rules were said to differ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
