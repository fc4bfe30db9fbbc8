"""The axes that label rules read, found again in features."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.rules.array_views import slots_of
from storyteller_trainer.character.rules.axes import ABSENT, LABEL_AXES, archetypes_of, read_axes
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.cells import Cells, valid_cells
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors
from storyteller_trainer.sample.character.scenarios import Scenarios, draw_scenarios
from storyteller_trainer.sample.character.synthetic import random_descriptors


def draw(descriptors: Descriptors, n: int = 500) -> tuple[Scenarios, Cells]:
    rng = np.random.default_rng(1)
    cells = valid_cells(descriptors, descriptors.genres[0])
    cells = cells.take(rng.integers(len(cells), size=n))
    return draw_scenarios(Tables.of(descriptors), cells, rng), cells


@pytest.mark.parametrize("descriptors", [load_descriptors(), random_descriptors(3)], ids=["shipped", "random"])
def test_axes_are_read_as_they_were_drawn(descriptors: Descriptors) -> None:
    drawn, cells = draw(descriptors)
    axes = read_axes(drawn.features, cells.archetype_a, axis_places(descriptors))
    assert list(axes) == list(LABEL_AXES)
    for name, values in axes.items():
        assert values.dtype == np.float32
        assert np.array_equal(values, drawn.axes[name]), name


def test_archetypes_are_found_by_name() -> None:
    places = axis_places(random_descriptors(3))
    names = ["archetype_4", "nobody", "archetype_0"]
    cells = [Cell(name, "archetype_1", "dynamic", "profile", True) for name in names]
    assert archetypes_of(cells, places).tolist() == [4, -1, 0]


def test_without_descriptors_or_for_an_archetype_that_they_lack_nothing_is_known() -> None:
    descriptors = random_descriptors(3)
    drawn, cells = draw(descriptors, 4)
    nobody = cells.archetype_a.copy()
    nobody[2] = -1
    for name, values in read_axes(drawn.features, nobody, axis_places(descriptors)).items():
        assert np.isnan(values).tolist() == [False, False, True, False], name
    for values in read_axes(drawn.features, cells.archetype_a, None).values():
        assert np.isnan(values).all()


def test_features_that_are_not_marked_as_described_are_not_read() -> None:
    """Another layer in one slot: the archetype has changed, and its axes may lie elsewhere."""
    descriptors = random_descriptors(3)
    drawn, cells = draw(descriptors, 3)
    mark = slots_of(drawn.features, "tensor")[1, 2, 4:8]
    mark[:] = np.roll(mark, 1)
    for values in read_axes(drawn.features, cells.archetype_a, axis_places(descriptors)).values():
        assert np.isnan(values).tolist() == [False, True, False]


def test_an_axis_beyond_the_sixteen_is_not_known() -> None:
    descriptors = random_descriptors(3)
    crowd = [f"b{i:02}" for i in range(20)]
    of_all = {axis.axis_id: axis for axis in descriptors.archetypes[0].axes}
    axis = next(iter(of_all.values()))
    names = [*crowd, "a_first", "empathy"]
    archetype = msgspec.structs.replace(
        descriptors.archetypes[0], axes=tuple(msgspec.structs.replace(axis, axis_id=name) for name in names)
    )
    descriptors = msgspec.structs.replace(descriptors, archetypes=(archetype, *descriptors.archetypes[1:]))
    places = axis_places(descriptors)
    assert places.slots["empathy"][0] == 21
    assert places.slots["self_awareness"][0] == ABSENT
    drawn, cells = draw(descriptors)
    crowded = cells.archetype_a == 0
    axes = read_axes(drawn.features, cells.archetype_a, places)
    assert np.array_equal(np.isnan(axes["empathy"]), crowded)
    assert crowded.any()
    assert (axes["self_awareness"][crowded] == 0.5).all()
    # The same places with the axis inside are read.
    inside = replace(places, slots={**places.slots, "empathy": np.minimum(places.slots["empathy"], 15)})
    assert not np.isnan(read_axes(drawn.features, cells.archetype_a, inside)["empathy"]).any()
