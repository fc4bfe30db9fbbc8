"""Finding, reading and checking a descriptor set."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.files import StrPath
from storyteller_schema.common.settings import DATA_VARIABLE, data_path

from storyteller_trainer.reading.faults import reason_and_path, shorten, value_at
from storyteller_trainer.sample.character.descriptors import AxisModifier, Descriptors, Range

#: The descriptor set that comes with this package.
SHIPPED = Path(__file__).parent / "default_descriptors"

#: The largest number that a float32 holds.
FLOAT32_MAX = float(np.finfo(np.float32).max)
#: The least and the largest weight above 0. They are relative, and far from where sums of them overflow or vanish.
WEIGHTS = (1e-9, 1e9)

#: So many problems are printed at once; the rest is counted.
SHOWN = 20


class DescriptorSource(NamedTuple):
    """A folder of descriptor files, and why it was taken."""

    folder: Path
    reason: str


def find_descriptors(option: Path | None = None) -> DescriptorSource:
    """The folder named by an option, else `training-data/descriptors` of the user's data, else the shipped one.

    Raises:
        WrongValue: the option, or STORYTELLER_DATA_PATH, names something that is not a folder.
    """
    if option is not None:
        if not option.is_dir():
            raise WrongValue(
                f"{option} is not a folder; --descriptors takes one that holds the descriptor files", "descriptors"
            )
        return DescriptorSource(option, "named by --descriptors")
    root = data_path()
    if root is not None:
        folder = root / "training-data" / "descriptors"
        if folder.is_dir():
            return DescriptorSource(folder, f"found through {DATA_VARIABLE}")
    return DescriptorSource(SHIPPED, "shipped with this package")


def load_descriptors(folder: StrPath = SHIPPED) -> Descriptors:
    """Reads and checks the six files of a descriptor set.

    Raises:
        StorytellerError: a file is missing or is not JSON, a key is missing, a value has the wrong type, is unknown
            or stands twice, a list is empty, or a range has min > max. The message names file, path and value.
    """
    folder = Path(folder)
    content = {key: _read(folder / name, key) for name, key in Descriptors.FILES.items()}
    try:
        descriptors = msgspec.convert(content, Descriptors)
    except msgspec.ValidationError as error:
        raise StorytellerError(_mistyped(folder, content, error)) from error
    check_descriptors(descriptors, folder)
    return descriptors


def check_descriptors(descriptors: Descriptors, folder: Path) -> None:
    """Checks what types cannot say: references, ranges, ids that stand twice, empty lists, weights.

    Raises:
        StorytellerError: names every problem up to the first 20, and says how many there are.
    """
    problems = [f"{folder / _file_of(path)}: {path}{reason}" for path, reason in _problems(descriptors)]
    if problems:
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        first, *others = problems[:SHOWN]
        raise StorytellerError(first, details=[*others, *more])


def _read(path: Path, key: str) -> Any:
    """What a descriptor file holds under its one key."""
    try:
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode()
        content = msgspec.json.decode(text)
    except FileNotFoundError as error:
        names = ", ".join(Descriptors.FILES)
        raise StorytellerError(f"{path} does not exist; a descriptor folder holds {names}") from error
    except OSError as error:
        raise StorytellerError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StorytellerError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise StorytellerError(f"{path}:{_line(text, str(error))}: not JSON: {error}; correct it there") from error
    if not isinstance(content, dict):
        raise StorytellerError(f'{path}: holds {_short(content)}; expected an object {{"{key}": [...]}}')
    if key not in content:
        raise StorytellerError(f'{path}: has no key "{key}"; expected an object {{"{key}": [...]}}')
    return content[key]


def _line(text: str, message: str) -> int:
    """The line of the byte that a parser names; the last line when the text ended too early."""
    position = re.search(r"\(byte (\d+)\)", message)
    before = text.encode()[: int(position[1])] if position else text.encode()
    return before.count(b"\n") + 1


def _mistyped(folder: Path, content: dict[str, Any], error: msgspec.ValidationError) -> str:
    """A parser's message with the file, the plain path and the value."""
    reason, path = reason_and_path(error)
    return f"{folder / _file_of(path)}: {path} is {_short(value_at(content, path))}: {reason}; correct it there"


def _file_of(path: str) -> str:
    """The file that holds a path: its first part is the file's one key."""
    key = re.match(r"\w+", path)
    return next(name for name, held in Descriptors.FILES.items() if key and held == key[0])


def _short(value: Any) -> str:
    return shorten(msgspec.json.encode(value).decode(), 80)


#: Where a problem is, and the rest of the sentence.
Problem = tuple[str, str]


def _problems(descriptors: Descriptors) -> Iterator[Problem]:
    known = {key: [item.id for item in getattr(descriptors, key)] for key in Descriptors.FILES.values()}
    for key, ids in known.items():
        # A world without cross-dimensions is a world where nothing cuts across the archetypes.
        yield from _listed(key, ids, "id", may_be_empty=key == "dimensions")
    yield from _ranges(descriptors)

    axes = known["axes"]
    for i, archetype in enumerate(descriptors.archetypes):
        path = f"archetypes[{i}].axes"
        yield from _listed(path, [axis.axis_id for axis in archetype.axes], "axis_id", among=axes)
        primaries = archetype.default_emotional_profile.primaries
        path = f"archetypes[{i}].default_emotional_profile.primaries"
        yield from _listed(path, [primary.primary_id.value for primary in primaries], "primary_id")
    for i, profile in enumerate(descriptors.profiles):
        events = profile.characteristic_events
        path = f"profiles[{i}].characteristic_events"
        if not any(event.weight > 0 for event in events):
            yield path, f" has {len(events)} events of which none has a weight above 0; give one of them such a weight"
        for j, event in enumerate(events):
            if event.weight and not WEIGHTS[0] <= event.weight <= WEIGHTS[1]:
                yield f"{path}[{j}].weight", f" is {event.weight}; expected 0, or {WEIGHTS[0]:g} to {WEIGHTS[1]:g}"
    for i, genre in enumerate(descriptors.genres):
        for kind in ("archetypes", "dynamics", "profiles"):
            yield from _listed(f"genres[{i}].valid_{kind}", getattr(genre, f"valid_{kind}"), "", among=known[kind])
        for j, excluded in enumerate(genre.excluded_combinations):
            path = f"genres[{i}].excluded_combinations[{j}]"
            named = {kind: getattr(excluded, kind) for kind in ("archetype", "dynamic", "profile")}
            if not any(named.values()):
                yield path, " names neither archetype nor dynamic nor profile, and would exclude everything; name one"
            for kind, reference in named.items():
                if reference is not None and reference not in known[f"{kind}s"]:
                    yield f"{path}.{kind}", _unknown(reference, known[f"{kind}s"])
    for i, dimension in enumerate(descriptors.dimensions):
        yield from _listed(f"dimensions[{i}].values", [value.id for value in dimension.values], "id")
        for j, value in enumerate(dimension.values):
            modified = [modifier.axis_id for modifier in value.axis_modifiers]
            path = f"dimensions[{i}].values[{j}].axis_modifiers"
            yield from _listed(path, modified, "axis_id", among=axes, may_be_empty=True)


def _listed(
    path: str, ids: Sequence[str], field: str, *, among: Sequence[str] | None = None, may_be_empty: bool = False
) -> Iterator[Problem]:
    """A list is empty, names something twice, or names something that `among` does not have."""
    if not ids and not may_be_empty:
        yield path, " is an empty list; expected at least one entry"
    suffix = f".{field}" if field else ""
    twice = {name for name, count in Counter(ids).items() if count > 1}
    for i, name in enumerate(ids):
        if among is not None and name not in among:
            yield f"{path}[{i}]{suffix}", _unknown(name, among)
        if name in twice and i > ids.index(name):
            yield f"{path}[{i}]{suffix}", f' is "{name}", as is {path}[{ids.index(name)}]{suffix}; keep one of them'


def _unknown(name: str, known: Iterable[str]) -> str:
    listed = ", ".join(sorted(known))
    return f' is "{name}", which is not declared; expected one of {listed}'


def _ranges(value: Any, path: str = "") -> Iterator[Problem]:
    """Every range anywhere in a record whose ends are the wrong way round or too large."""
    if isinstance(value, Range):
        if value.min > value.max:
            yield path, f" has min {value.min} > max {value.max}; swap or correct them"
        for end in (value.min, value.max):
            if abs(end) > FLOAT32_MAX:
                yield path, f" holds {end}, which a float32 cannot; features are float32"
        if value.max - value.min > FLOAT32_MAX:
            yield path, f" is {value.max - value.min} wide, which a float32 cannot hold; features are float32"
    elif isinstance(value, AxisModifier):
        if abs(value.additive) > FLOAT32_MAX:
            yield f"{path}.additive", f" is {value.additive}, which a float32 cannot hold; features are float32"
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _ranges(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _ranges(item, f"{path}[{index}]")
