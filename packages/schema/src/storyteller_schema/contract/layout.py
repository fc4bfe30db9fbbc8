"""The vocabulary in which a flat vector of floats is declared: fields in slots in regions.

`features.py` declares the inputs with it and `predictions.py` the outputs. Sizes, offsets, slices and the name
of every float derive from those two declarations; none of these numbers is written down a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from storyteller_schema.contract.enums import WireEnum


class Kind(StrEnum):
    """How the floats of a field are read."""

    FLOAT = "float"
    BINARY = "binary"
    ONE_HOT = "one_hot"


@dataclass(frozen=True)
class Field:
    """A run of floats inside a slot: one number, a one-hot over an enum, or one number per label."""

    name: str
    kind: Kind = Kind.FLOAT
    #: The names of the floats, in order; empty for a field of one float.
    labels: tuple[str, ...] = ()
    #: The enum behind the labels, for a one-hot.
    enum: type[WireEnum] | None = None

    @property
    def size(self) -> int:
        """Number of floats."""
        return len(self.labels) or 1

    @property
    def float_names(self) -> tuple[str, ...]:
        """`name` for one float, `name[label]` for each of several."""
        return tuple(f"{self.name}[{label}]" for label in self.labels) or (self.name,)


def one_hot(name: str, enum: type[WireEnum]) -> Field:
    """A field with one float per member of an enum, of which one is 1 and the rest are 0."""
    return Field(name, Kind.ONE_HOT, enum.labels(), enum)


@dataclass(frozen=True)
class Region:
    """A flat run of floats with a name in the engine's JSON: equal slots, each with the same fields."""

    name: str
    description: str
    fields: tuple[Field, ...]
    #: How the slots are told apart in names; None for a region that is one slot and has no index.
    slot_labels: tuple[str, ...] | None = None
    offset: int = 0

    @property
    def slots(self) -> int:
        """Number of slots."""
        return 1 if self.slot_labels is None else len(self.slot_labels)

    @property
    def per_slot(self) -> int:
        """Floats in one slot."""
        return sum(field.size for field in self.fields)

    @property
    def length(self) -> int:
        """Floats in the region."""
        return self.slots * self.per_slot

    @property
    def span(self) -> slice:
        """Where the region lies in the whole vector."""
        return slice(self.offset, self.offset + self.length)

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            KeyError: the region has no such field.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}; it has {[f.name for f in self.fields]}")

    def within_slot(self, name: str) -> slice:
        """Where a field lies inside one slot (for an array reshaped to [..., slots, per_slot])."""
        start = 0
        for field in self.fields:
            if field.name == name:
                return slice(start, start + field.size)
            start += field.size
        raise KeyError(f"{self.name} has no field {name!r}; it has {[f.name for f in self.fields]}")

    def locate(self, name: str, slot: int = 0) -> slice:
        """Where a field of one slot lies in the whole vector."""
        if not 0 <= slot < self.slots:
            raise IndexError(f"{self.name} has {self.slots} slots, not a slot {slot}")
        within = self.within_slot(name)
        start = self.offset + slot * self.per_slot
        return slice(start + within.start, start + within.stop)

    @property
    def float_names(self) -> tuple[str, ...]:
        """The name of every float, in order."""
        prefixes = [self.name] if self.slot_labels is None else [f"{self.name}[{s}]" for s in self.slot_labels]
        return tuple(f"{prefix}.{name}" for prefix in prefixes for f in self.fields for name in f.float_names)


class Layout:
    """Regions one after the other, without gaps."""

    def __init__(self, *regions: Region) -> None:
        placed: list[Region] = []
        offset = 0
        for region in regions:
            placed.append(Region(region.name, region.description, region.fields, region.slot_labels, offset))
            offset += region.length
        #: The regions, in order, each with its offset.
        self.regions = tuple(placed)
        #: Floats in the whole vector.
        self.size = offset

    def __getitem__(self, name: str) -> Region:
        for region in self.regions:
            if region.name == name:
                return region
        raise KeyError(f"no region {name!r}; there are {[region.name for region in self.regions]}")

    def span(self, path: str) -> slice:
        """Where `region` or `region.field` (of a region with one slot) lies in the vector."""
        region_name, _, field_name = path.partition(".")
        region = self[region_name]
        return region.locate(field_name) if field_name else region.span

    @cached_property
    def float_names(self) -> tuple[str, ...]:
        """The name of every float, in order."""
        return tuple(name for region in self.regions for name in region.float_names)
