"""Which cells there are, and how examples are spread over them."""

from __future__ import annotations

from itertools import permutations, product

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.sample.character.cells import Cells, find_genre, valid_cells
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors, Exclusion, Genre
from storyteller_trainer.sample.character.plan import make_plan

GENRE = "low_fantasy_folklore"
SHIPPED_SET = load_descriptors()


def keys(descriptors: Descriptors, cells: Cells) -> list[tuple[str, str, str, str, bool]]:
    return [
        (
            descriptors.archetypes[a].id,
            descriptors.archetypes[b].id,
            descriptors.dynamics[d].id,
            descriptors.profiles[p].id,
            bool(role),
        )
        for a, b, d, p, role in zip(
            cells.archetype_a, cells.archetype_b, cells.dynamic, cells.profile, cells.a_is_role_a, strict=True
        )
    ]


def with_genre(descriptors: Descriptors, genre: Genre) -> Descriptors:
    return msgspec.structs.replace(descriptors, genres=(genre,))


def is_excluded(key: tuple[str, str, str, str, bool], excluded: Exclusion) -> bool:
    return (
        excluded.archetype in (None, key[0], key[1])
        and excluded.dynamic in (None, key[2])
        and excluded.profile in (None, key[3])
    )


@pytest.mark.parametrize("genre_id", ["low_fantasy_folklore", "tidewall_noir"])
def test_cells_are_all_that_the_genre_allows_and_does_not_exclude(genre_id: str) -> None:
    shipped = load_descriptors()
    genre = find_genre(shipped, genre_id)
    expected = {
        (a, b, dynamic, profile, role)
        for (a, b), dynamic, profile, role in product(
            permutations(genre.valid_archetypes, 2), genre.valid_dynamics, genre.valid_profiles, (True, False)
        )
        if not any(is_excluded((a, b, dynamic, profile, role), e) for e in genre.excluded_combinations)
    }
    cells = keys(shipped, valid_cells(shipped, genre))
    assert set(cells) == expected
    assert len(cells) == len(expected)


def test_four_cells_of_two_archetypes(world: Descriptors) -> None:
    assert keys(world, valid_cells(world, world.genres[0])) == [
        ("smith", "witch", "feud", "feast", True),
        ("smith", "witch", "feud", "feast", False),
        ("witch", "smith", "feud", "feast", True),
        ("witch", "smith", "feud", "feast", False),
    ]


def test_a_genre_without_cells_is_an_error(world: Descriptors) -> None:
    genre = msgspec.structs.replace(world.genres[0], excluded_combinations=(Exclusion(archetype="witch"),))
    with pytest.raises(StorytellerError, match='genre "low_fantasy_folklore" has no cell'):
        make_plan(with_genre(world, genre), SampleConfig())


def test_an_unknown_genre_is_named_with_those_there_are() -> None:
    with pytest.raises(StorytellerError, match=r'genre "opera" .* choose one of low_fantasy_folklore, tidewall_noir'):
        make_plan(load_descriptors(), SampleConfig(genre="opera"))


def test_the_default_is_15000_examples_from_1303_cells() -> None:
    plan = make_plan(load_descriptors(), SampleConfig())
    assert plan.total == 15_000
    assert len(plan.cells) == 1303
    assert sorted(set(plan.counts.tolist())) == [11, 12]
    assert len(set(keys(plan.descriptors, plan.cells))) == 1303


def test_cells_are_shuffled_and_depend_on_the_seed() -> None:
    shipped = load_descriptors()
    first, again, other = (make_plan(shipped, SampleConfig(seed=seed)) for seed in (1, 1, 2))
    assert keys(shipped, first.cells) == keys(shipped, again.cells)
    assert keys(shipped, first.cells) != keys(shipped, other.cells)
    assert len(set(first.cells.archetype_a.tolist())) == len(find_genre(shipped, GENRE).valid_archetypes)


def test_fewer_cells_are_taken_when_none_are_asked_for_and_there_are_not_enough(world: Descriptors) -> None:
    assert len(make_plan(world, SampleConfig()).cells) == 4
    assert make_plan(world, SampleConfig()).counts.tolist() == [3750] * 4
    assert make_plan(world, SampleConfig(examples=3)).counts.tolist() == [1, 1, 1]
    assert make_plan(world, SampleConfig(variations=5)).counts.tolist() == [5] * 4
    assert make_plan(world, SampleConfig(variations=5, cells=2)).counts.tolist() == [5, 5]


def test_more_cells_than_there_are_is_an_error_that_names_the_most(world: Descriptors) -> None:
    with pytest.raises(StorytellerError, match=r"5 cells are asked for, but .* has 4; ask for at most that many"):
        make_plan(world, SampleConfig(cells=5))


def test_fewer_examples_than_cells_is_an_error(world: Descriptors) -> None:
    with pytest.raises(StorytellerError, match="3 examples cannot cover 4 cells"):
        make_plan(world, SampleConfig(cells=4, examples=3))


@settings(max_examples=25)
@given(cells=st.integers(1, 1000), extra=st.integers(0, 5000))
def test_examples_are_spread_evenly(cells: int, extra: int) -> None:
    plan = make_plan(SHIPPED_SET, SampleConfig(cells=cells, examples=cells + extra))
    assert plan.total == cells + extra
    assert plan.counts.max() - plan.counts.min() <= 1
    assert np.all(np.diff(plan.counts) <= 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cells": 0}, "cells is 0; expected 1 or more"),
        ({"examples": -3}, "examples is -3; expected 1 or more"),
        ({"variations": 0}, "variations is 0; expected 1 or more"),
        ({"examples": 10, "variations": 2}, "examples is 10 and variations is 2; give one of them"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"min_coherence": 1.5}, r"min_coherence is 1\.5; expected 0 to 1"),
        ({"min_coherence": float("nan")}, "min_coherence is nan"),
    ],
)
def test_a_bad_setting_is_refused_with_its_value(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(StorytellerError, match=message):
        SampleConfig(**arguments)  # type: ignore[arg-type]
