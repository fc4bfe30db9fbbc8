"""Whose labels are which of ours: a small TOML file.

    [categories]                          # a label of the tool to a category, or to several that it may be
    PER = ["CHARACTER", "COLLECTIVE"]
    LOC = "LOCATION"
    DATE = ""                             # an entity, and none of ours

    [kinds]                               # a label of a whole text to an event kind
    speech = "SpeechAct"

    [annotated]                           # what the annotators looked for in every text
    categories = ["CHARACTER", "COLLECTIVE", "LOCATION"]
    kinds = false

Without `[annotated]`, the categories on the right are taken to be annotated, and kinds where `[kinds]` has some.
Without a file, labels are our own names, in whatever case, and all categories are annotated.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EventKind


class _Annotated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    categories: list[EntityCategory] | None = None
    kinds: bool | None = None


class _MapFile(msgspec.Struct, forbid_unknown_fields=True):
    categories: dict[str, str | list[str]] = {}
    kinds: dict[str, EventKind] = {}
    annotated: _Annotated = _Annotated()


class CategoryMap(msgspec.Struct, frozen=True, kw_only=True):
    """What labels mean."""

    #: Label to the categories that it may be, the likeliest first; none for an entity that is none of ours.
    categories: dict[str, tuple[EntityCategory, ...]]
    kinds: dict[str, EventKind]
    #: The categories that the annotators looked for; None for all.
    annotated: list[EntityCategory] | None
    #: Whether they looked for kinds; None where that shows by a text having some.
    kinds_annotated: bool | None


def own_names() -> CategoryMap:
    """Labels that are our own names, in upper, lower or their own case."""
    cases = (str, str.lower, str.upper, str.capitalize)
    return CategoryMap(
        categories={case(category.value): (category,) for category in EntityCategory for case in cases},
        kinds={case(kind.value): kind for kind in EventKind for case in cases[:3]},
        annotated=None,
        kinds_annotated=None,
    )


def read_map(path: Path) -> CategoryMap:
    """Reads the TOML file.

    Raises:
        StorytellerError: it cannot be read, or names a category or kind that there is not.
    """
    try:
        read = msgspec.toml.decode(path.read_bytes(), type=_MapFile)
    except OSError as error:
        raise StorytellerError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorytellerError(f"{path}: {error}") from error
    categories = {}
    for label, value in read.categories.items():
        names = [name for name in ([value] if isinstance(value, str) else value) if name]
        for name in names:
            if name not in EntityCategory.labels():
                raise StorytellerError(
                    f"{path}: categories.{label}: there is no category {name!r}; one of "
                    f'{", ".join(EntityCategory.labels())} is expected, or "" for an entity that is none of them'
                )
        categories[label] = tuple(map(EntityCategory, names))
    named = {category for several in categories.values() for category in several}
    given = read.annotated.categories
    return CategoryMap(
        categories=categories,
        kinds=read.kinds,
        annotated=[category for category in EntityCategory if category in (named if given is None else given)],
        kinds_annotated=bool(read.kinds) if read.annotated.kinds is None else read.annotated.kinds,
    )
