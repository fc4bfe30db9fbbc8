"""The benchmark of the check of label rules, on few examples."""

from __future__ import annotations

import bench_rules
from storyteller_trainer.character.rules import conditionals as rules
from storyteller_trainer.character.rules import report


def test_every_change_is_made_and_taken_back() -> None:
    before = rules.MARKED_REGISTER
    world = bench_rules.World(600)
    labels = world.draw(0)
    for change in bench_rules.CHANGES:
        with change.made(change.values[-1]):
            assert (world.draw(0) != labels).any(), change
    assert before == rules.MARKED_REGISTER
    assert (world.draw(0) == labels).all()


def test_the_smallest_change_that_is_found_in_every_set_is_told() -> None:
    world = bench_rules.World(1500)
    (registers,) = (change for change in bench_rules.CHANGES if change.what == "registers of 0.4")
    assert bench_rules.smallest(world, registers._replace(values=(0.4, 0.9, 1.0)), sets=2) == 0.9
    assert bench_rules.smallest(world, registers._replace(values=(0.4,)), sets=2) is None
    assert registers.rule == report.SPEECH_REGISTER
