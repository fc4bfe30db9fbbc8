"""Cells: who meets whom, what lies between them, in what scene. A cell is the unit that a data split keeps whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from storyteller_schema.common.errors import StorytellerError, WrongValue

from storyteller_trainer.character.rules.array_views import Int
from storyteller_trainer.sample.character.descriptors import Descriptors, Genre


@dataclass(frozen=True, kw_only=True, slots=True)
class Cells:
    """Some cells, as positions in the descriptor set; five arrays [cells]."""

    #: The character whose reaction is predicted.
    archetype_a: Int
    archetype_b: Int
    dynamic: Int
    profile: Int
    #: 1 where the character plays role_a of the dynamic, 0 where role_b.
    a_is_role_a: Int

    def __len__(self) -> int:
        return len(self.archetype_a)

    def take(self, rows: Int) -> Cells:
        """Some of the cells, in that order, with repetitions if asked for."""
        return Cells(
            archetype_a=self.archetype_a[rows],
            archetype_b=self.archetype_b[rows],
            dynamic=self.dynamic[rows],
            profile=self.profile[rows],
            a_is_role_a=self.a_is_role_a[rows],
        )


def find_genre(descriptors: Descriptors, genre_id: str) -> Genre:
    """The genre of that id.

    Raises:
        WrongValue: there is none.
    """
    for genre in descriptors.genres:
        if genre.id == genre_id:
            return genre
    known = ", ".join(genre.id for genre in descriptors.genres)
    raise WrongValue(f'genre "{genre_id}" is not in the descriptors; choose one of {known}', "genre")


def valid_cells(descriptors: Descriptors, genre: Genre) -> Cells:
    """Every cell of a genre: ordered pairs of different archetypes, each dynamic, each profile, both role assignments.

    An exclusion that names an archetype holds for either of the two characters.

    Raises:
        StorytellerError: nothing is left.
    """
    archetypes = [archetype.id for archetype in descriptors.archetypes]
    dynamics = [dynamic.id for dynamic in descriptors.dynamics]
    profiles = [profile.id for profile in descriptors.profiles]
    # [archetype a, archetype b, dynamic, profile]
    valid = np.zeros((len(archetypes), len(archetypes), len(dynamics), len(profiles)), np.bool_)
    allowed = [archetypes.index(name) for name in genre.valid_archetypes]
    valid[
        np.ix_(
            allowed,
            allowed,
            [dynamics.index(name) for name in genre.valid_dynamics],
            [profiles.index(name) for name in genre.valid_profiles],
        )
    ] = True
    themselves = np.arange(len(archetypes))
    valid[themselves, themselves] = False
    for excluded in genre.excluded_combinations:
        archetype = slice(None) if excluded.archetype is None else archetypes.index(excluded.archetype)
        dynamic = slice(None) if excluded.dynamic is None else dynamics.index(excluded.dynamic)
        profile = slice(None) if excluded.profile is None else profiles.index(excluded.profile)
        valid[archetype, :, dynamic, profile] = False
        valid[:, archetype, dynamic, profile] = False
    a, b, dynamic_of, profile_of = np.nonzero(valid)
    if not len(a):
        raise StorytellerError(
            f'genre "{genre.id}" has no cell: it needs two archetypes, and exclusions that leave some'
        )
    return Cells(
        archetype_a=np.repeat(a, 2),
        archetype_b=np.repeat(b, 2),
        dynamic=np.repeat(dynamic_of, 2),
        profile=np.repeat(profile_of, 2),
        a_is_role_a=np.tile(np.array([1, 0], np.intp), len(a)),
    )
