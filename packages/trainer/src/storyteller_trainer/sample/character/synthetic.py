"""Descriptor sets made of random numbers: to measure a recipe on worlds that it was not tuned on, and for tests."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from storyteller_schema.contract.enums import (
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    Provenance,
    SceneType,
    TemporalLayer,
    TopologicalRole,
    WireEnum,
)

from storyteller_trainer.character.rules.axes import LABEL_AXES
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptors import (
    Archetype,
    ArchetypeAxis,
    AxisModifier,
    CharacteristicEvent,
    DescribedAxis,
    Descriptors,
    Dimension,
    DimensionValue,
    Dynamic,
    Edge,
    EmotionalProfile,
    Genre,
    PrimaryEmotion,
    Profile,
    Range,
    SelfEdgeRanges,
)

AXES = 32
ARCHETYPES = 14
#: Dynamics and profiles.
DYNAMICS = PROFILES = 12
#: The share of archetypes that have a given axis out of those that label rules read.
LABEL_AXIS_SHARE = 0.75

E = TypeVar("E", bound=WireEnum)


def random_descriptors(seed: int) -> Descriptors:
    """A descriptor set of the usual size, with one genre, which has the default's id and excludes nothing.

    Archetypes differ in which axes they have (6 to 16), where these stand, how wide they vary, and in their emotions.
    """
    return _World(np.random.default_rng(seed)).descriptors()


class _World:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        letters = list("abcdefghijklmnopqrstuvwxyz")
        # Random names, so that the sorted position of an axis differs from world to world.
        others = {"".join(rng.choice(letters, 6)) for _ in range(AXES - len(LABEL_AXES))}
        self._axes = [*LABEL_AXES, *sorted(others)]

    def descriptors(self) -> Descriptors:
        archetypes = tuple(self._archetype(f"archetype_{i}") for i in range(ARCHETYPES))
        dynamics = tuple(self._dynamic(f"dynamic_{i}") for i in range(DYNAMICS))
        profiles = tuple(self._profile(f"profile_{i}") for i in range(PROFILES))
        genre = Genre(
            id=SampleConfig().genre,
            valid_archetypes=tuple(archetype.id for archetype in archetypes),
            valid_dynamics=tuple(dynamic.id for dynamic in dynamics),
            valid_profiles=tuple(profile.id for profile in profiles),
        )
        return Descriptors(
            axes=tuple(DescribedAxis(id=name) for name in self._axes),
            archetypes=archetypes,
            dynamics=dynamics,
            profiles=profiles,
            genres=(genre,),
            dimensions=tuple(self._dimension(f"dimension_{i}") for i in range(3)),
        )

    def _range(self, low: float, high: float, width: float) -> Range:
        """A range that is `width` wide and lies in [low, high]."""
        start = self._rng.uniform(low, high - width)
        return Range(min=round(start, 3), max=round(start + width, 3))

    def _one_of(self, enum: type[E]) -> E:
        return enum.at(int(self._rng.integers(len(enum))))

    def _archetype(self, name: str) -> Archetype:
        has = [axis for axis in LABEL_AXES if self._rng.random() < LABEL_AXIS_SHARE]
        others = [axis for axis in self._axes if axis not in LABEL_AXES]
        count = int(self._rng.integers(6, 17)) - len(has)
        chosen = [*has, *self._rng.permutation(others)[:count].tolist()]
        return Archetype(
            id=name,
            axes=tuple(self._axis(axis) for axis in chosen),
            default_emotional_profile=EmotionalProfile(
                primaries=tuple(
                    PrimaryEmotion(
                        primary_id=primary,
                        intensity=self._range(0, 1, self._rng.uniform(0.1, 0.4)),
                        awareness=self._one_of(AwarenessLevel),
                    )
                    for primary in Primary
                )
            ),
            default_self_edge=SelfEdgeRanges(
                **{name: self._range(0, 1, 0.25) for name in SelfEdgeRanges.__struct_fields__}
            ),
        )

    def _axis(self, name: str) -> ArchetypeAxis:
        central = self._range(0 if name == "self_awareness" else -1, 1, self._rng.uniform(0.2, 0.5))
        return ArchetypeAxis(
            axis_id=name,
            central_tendency=central,
            variance=self._range(0.02, 0.25, 0.1),
            range_low=Range(min=max(central.min - 0.4, -1), max=max(central.min - 0.1, -1)),
            range_high=Range(min=min(central.max + 0.1, 1), max=min(central.max + 0.4, 1)),
            layer=self._one_of(TemporalLayer),
            provenance=self._one_of(Provenance),
        )

    def _dynamic(self, name: str) -> Dynamic:
        return Dynamic(
            id=name,
            edge_a_to_b=Edge(**{substrate: self._range(-0.6, 1, 0.4) for substrate in Edge.__struct_fields__}),
            topology_a=self._one_of(TopologicalRole),
            topology_b=self._one_of(TopologicalRole),
        )

    def _profile(self, name: str) -> Profile:
        return Profile(
            id=name,
            scene_type=self._one_of(SceneType),
            tension=self._range(0, 1, 0.3),
            cast_size=self._range(2, 12, 3),
            characteristic_events=tuple(
                CharacteristicEvent(
                    event_type=self._one_of(EventType),
                    emotional_register=self._one_of(EmotionalRegister),
                    weight=float(weight),
                )
                for weight in self._rng.integers(1, 5, size=int(self._rng.integers(3, 6)))
            ),
        )

    def _dimension(self, name: str) -> Dimension:
        return Dimension(id=name, values=tuple(self._value(f"{name}_{i}") for i in range(4)))

    def _value(self, name: str) -> DimensionValue:
        modified = self._rng.permutation(self._axes)[:3].tolist()
        added = self._rng.uniform(-0.2, 0.2, size=len(modified)).round(2).tolist()
        modifiers = tuple(
            AxisModifier(axis_id=axis, additive=amount) for axis, amount in zip(modified, added, strict=True)
        )
        return DimensionValue(id=name, axis_modifiers=modifiers)
