"""Descriptor files: what is shipped, and what is said about files that are wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import AwarenessLevel, Provenance
from storyteller_trainer.character.rules.axes import LABEL_AXES
from storyteller_trainer.sample.character.cells import find_genre, valid_cells
from storyteller_trainer.sample.character.config import DEFAULT_CELLS
from storyteller_trainer.sample.character.descriptor_files import SHIPPED, find_descriptors, load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped descriptors, to be broken."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "descriptors"))


def edit(folder: Path, file: str, change: Callable[[Any], None]) -> None:
    path = folder / file
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_at(*keys: str | int, value: Any) -> Callable[[Any], None]:
    """Sets what stands under a path of keys."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def remove(*keys: str | int) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def repeat(*keys: str | int) -> Callable[[Any], None]:
    """Appends the first entry of the list under a path of keys once more."""

    def change(content: Any) -> None:
        for key in keys:
            content = content[key]
        content.append(content[0])

    return change


def test_the_shipped_set_is_rich_enough() -> None:
    shipped = load_descriptors()
    assert len(shipped.axes) >= 28
    assert len(shipped.archetypes) >= 14
    assert all(6 <= len(archetype.axes) <= 16 for archetype in shipped.archetypes)
    assert len(shipped.dynamics) == 12
    assert len(shipped.profiles) == 12
    assert len(shipped.dimensions) == 3
    assert all(len(dimension.values) >= 3 for dimension in shipped.dimensions)
    assert len(shipped.genres) == 2
    assert all(genre.excluded_combinations for genre in shipped.genres)
    for genre in shipped.genres:
        assert len(valid_cells(shipped, find_genre(shipped, genre.id))) >= DEFAULT_CELLS


def test_every_shipped_axis_is_used_and_every_text_is_there() -> None:
    shipped = load_descriptors()
    used = {axis.axis_id for archetype in shipped.archetypes for axis in archetype.axes}
    assert used == {axis.id for axis in shipped.axes}
    for described in (shipped.axes, shipped.archetypes, shipped.dynamics, shipped.profiles, shipped.genres):
        for item in msgspec.to_builtins(described):
            assert item["display_name"], item["id"]
            assert item["description"], item["id"]


def test_shipped_archetypes_put_the_axes_of_label_rules_in_different_places() -> None:
    shipped = load_descriptors()
    layouts = [sorted(axis.axis_id for axis in archetype.axes) for archetype in shipped.archetypes]
    for name in LABEL_AXES:
        places = {layout.index(name) for layout in layouts if name in layout}
        assert len(places) >= 3, name
        assert any(name not in layout for layout in layouts), name


def test_enum_spellings_and_a_byte_order_mark_are_accepted(folder: Path) -> None:
    edit(folder, "archetypes.json", set_at("archetypes", 0, "axes", 0, "provenance", value="authored"))
    path = ("archetypes", 0, "default_emotional_profile", "primaries", 0, "awareness")
    edit(folder, "archetypes.json", set_at(*path, value="pre_conscious"))
    text = (folder / "archetypes.json").read_bytes()
    (folder / "archetypes.json").write_bytes(b"\xef\xbb\xbf" + text)
    first = load_descriptors(folder).archetypes[0]
    assert first.axes[0].provenance is Provenance.AUTHORED
    assert first.default_emotional_profile.primaries[0].awareness is AwarenessLevel.PRECONSCIOUS


def test_text_that_only_describes_may_be_left_out(folder: Path) -> None:
    for key in ("display_name", "description", "action_tendencies"):
        edit(folder, "archetypes.json", remove("archetypes", 0, key))
    edit(folder, "dynamics.json", remove("dynamics", 0, "edge_b_to_a"))
    edit(folder, "genres.json", remove("genres", 0, "excluded_combinations"))
    assert load_descriptors(folder).archetypes[0].display_name == ""


AXIS = ("archetypes", 3, "axes", 2)
BROKEN: list[tuple[str, str, Callable[[Any], None], tuple[str, ...]]] = [
    (
        "wrong type",
        "archetypes.json",
        set_at(*AXIS, "variance", value="wide"),
        ('archetypes[3].axes[2].variance is "wide"', "Expected `object`, got `str`"),
    ),
    (
        "wrong type deep inside",
        "profiles.json",
        set_at("profiles", 1, "tension", "min", value=None),
        ("profiles[1].tension.min is null", "Expected `float`"),
    ),
    (
        "wrong type of an unread field",
        "axis-vocabulary.json",
        set_at("axes", 0, "tags", value="one"),
        ('axes[0].tags is "one"', "Expected `array`"),
    ),
    (
        "missing key",
        "archetypes.json",
        remove(*AXIS, "range_low"),
        ("archetypes[3].axes[2] is {", "missing required field `range_low`"),
    ),
    (
        "unknown enum value",
        "archetypes.json",
        set_at(*AXIS, "layer", value="Lava"),
        ('archetypes[3].axes[2].layer is "Lava"', "Invalid enum value"),
    ),
    (
        "min above max",
        "archetypes.json",
        set_at(*AXIS, "variance", value={"min": 0.4, "max": 0.1}),
        ("archetypes[3].axes[2].variance has min 0.4 > max 0.1", "swap"),
    ),
    (
        "min above max in a field that is not read",
        "dynamics.json",
        set_at("dynamics", 0, "edge_b_to_a", "debt", value={"min": 0.4, "max": 0.1}),
        ("dynamics[0].edge_b_to_a.debt has min 0.4 > max 0.1",),
    ),
    (
        "too large for a float32",
        "profiles.json",
        set_at("profiles", 0, "cast_size", value={"min": 2, "max": 1e39}),
        ("profiles[0].cast_size holds 1e+39", "float32"),
    ),
    (
        "unknown axis",
        "archetypes.json",
        set_at(*AXIS, "axis_id", value="charm"),
        ('archetypes[3].axes[2].axis_id is "charm", which is not declared', "expected one of ambition, "),
    ),
    (
        "axis twice in an archetype",
        "archetypes.json",
        repeat("archetypes", 6, "axes"),
        ('archetypes[6].axes[6].axis_id is "wildness", as is archetypes[6].axes[0].axis_id',),
    ),
    (
        "emotion twice in an archetype",
        "archetypes.json",
        repeat("archetypes", 0, "default_emotional_profile", "primaries"),
        ("archetypes[0].default_emotional_profile.primaries[8].primary_id", "keep one"),
    ),
    (
        "archetype twice",
        "archetypes.json",
        repeat("archetypes"),
        ('archetypes[18].id is "hedge_healer", as is archetypes[0].id',),
    ),
    ("no archetypes", "archetypes.json", set_at("archetypes", value=[]), ("archetypes is an empty list",)),
    ("no axes", "archetypes.json", set_at("archetypes", 0, "axes", value=[]), ("archetypes[0].axes is an empty list",)),
    (
        "no emotions",
        "archetypes.json",
        set_at("archetypes", 0, "default_emotional_profile", "primaries", value=[]),
        ("archetypes[0].default_emotional_profile.primaries is an empty list",),
    ),
    (
        "no events",
        "profiles.json",
        set_at("profiles", 2, "characteristic_events", value=[]),
        ("profiles[2].characteristic_events has 0 events", "weight above 0"),
    ),
    (
        "negative weight",
        "profiles.json",
        set_at("profiles", 2, "characteristic_events", 1, "weight", value=-1),
        ("profiles[2].characteristic_events[1].weight is -1.0", "expected 0, or 1e-09 to 1e+09"),
    ),
    (
        "weight of 1e308",
        "profiles.json",
        set_at("profiles", 2, "characteristic_events", 1, "weight", value=1e308),
        ("profiles[2].characteristic_events[1].weight is 1e+308", "expected 0, or 1e-09 to 1e+09"),
    ),
    (
        "weight of 5e-324",
        "profiles.json",
        set_at("profiles", 2, "characteristic_events", 1, "weight", value=5e-324),
        ("profiles[2].characteristic_events[1].weight is 5e-324", "expected 0, or 1e-09 to 1e+09"),
    ),
    (
        "weight of 1.1e9",
        "profiles.json",
        set_at("profiles", 2, "characteristic_events", 1, "weight", value=1.1e9),
        ("profiles[2].characteristic_events[1].weight is 1100000000.0", "expected 0, or 1e-09 to 1e+09"),
    ),
    (
        "weight of 0.9e-9",
        "profiles.json",
        set_at("profiles", 2, "characteristic_events", 1, "weight", value=0.9e-9),
        ("profiles[2].characteristic_events[1].weight is 9e-10", "expected 0, or 1e-09 to 1e+09"),
    ),
    (
        "unknown archetype in a genre",
        "genres.json",
        set_at("genres", 0, "valid_archetypes", 1, value="dragon"),
        ('genres[0].valid_archetypes[1] is "dragon", which is not declared',),
    ),
    (
        "no dynamics in a genre",
        "genres.json",
        set_at("genres", 0, "valid_dynamics", value=[]),
        ("genres[0].valid_dynamics is an empty list",),
    ),
    (
        "unknown profile in an exclusion",
        "genres.json",
        set_at("genres", 0, "excluded_combinations", 1, "profile", value="duel"),
        ('genres[0].excluded_combinations[1].profile is "duel", which is not declared',),
    ),
    (
        "exclusion of everything",
        "genres.json",
        set_at("genres", 0, "excluded_combinations", 0, value={"reason": "no"}),
        ("genres[0].excluded_combinations[0] names neither",),
    ),
    (
        "dimension without values",
        "cross-dimensions.json",
        set_at("dimensions", 1, "values", value=[]),
        ("dimensions[1].values is an empty list",),
    ),
    (
        "unknown axis in a modifier",
        "cross-dimensions.json",
        set_at("dimensions", 0, "values", 1, "axis_modifiers", 0, "axis_id", value="charm"),
        ('dimensions[0].values[1].axis_modifiers[0].axis_id is "charm"',),
    ),
    ("no top key", "genres.json", remove("genres"), ('has no key "genres"', 'expected an object {"genres": [...]}')),
]


@pytest.mark.parametrize(
    ("file", "change", "expected"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_a_mistake_is_reported_with_file_path_and_value(
    folder: Path, file: str, change: Callable[[Any], None], expected: tuple[str, ...]
) -> None:
    edit(folder, file, change)
    with pytest.raises(StorytellerError) as raised:
        load_descriptors(folder)
    message = str(raised.value)
    assert message.startswith(f"{folder / file}: ")
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"genres": [\n  {"id": "a",\n  }\n]}', "genres.json:3: not JSON"),
        (b'{"genres": [\n', "genres.json:2: not JSON"),
        (b"", "genres.json:1: not JSON"),
        (b'{"genres": ' + b"[" * 100_000, "genres.json:1: not JSON"),
        (b'{"genres": "\xff"}', "genres.json: byte 12 is not UTF-8"),
        (b"[1, 2]", "genres.json: holds [1,2]; expected an object"),
    ],
)
def test_a_file_that_is_no_json_object_is_reported(folder: Path, content: bytes, expected: str) -> None:
    (folder / "genres.json").write_bytes(content)
    with pytest.raises(StorytellerError) as raised:
        load_descriptors(folder)
    assert expected in str(raised.value)


@pytest.mark.parametrize("name", Descriptors.FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(StorytellerError, match=f"{name} does not exist; a descriptor folder holds axis-vocabulary"):
        load_descriptors(folder)


def test_a_folder_in_place_of_a_file_is_reported(folder: Path) -> None:
    (folder / "genres.json").unlink()
    (folder / "genres.json").mkdir()
    with pytest.raises(StorytellerError, match=r"genres\.json: cannot be read"):
        load_descriptors(folder)


def test_all_mistakes_are_told_at_once_up_to_twenty(folder: Path) -> None:
    def reverse_all(content: Any) -> None:
        for archetype in content["archetypes"]:
            for axis in archetype["axes"]:
                axis["variance"] = {"min": 1, "max": 0}

    edit(folder, "archetypes.json", reverse_all)
    edit(folder, "genres.json", set_at("genres", 0, "valid_profiles", value=[]))
    axes = sum(len(archetype.axes) for archetype in load_descriptors().archetypes)
    with pytest.raises(StorytellerError) as raised:
        load_descriptors(folder)
    lines = str(raised.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == f"... and {axes + 1 - 20} more"


def test_descriptors_are_found_by_option_then_by_the_users_data_then_as_shipped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_descriptors().folder == SHIPPED
    monkeypatch.setenv("STORYTELLER_DATA_PATH", str(tmp_path))
    assert find_descriptors().folder == SHIPPED
    own = Path(shutil.copytree(SHIPPED, tmp_path / "training-data" / "descriptors"))
    assert find_descriptors().folder == own
    assert "STORYTELLER_DATA_PATH" in find_descriptors().reason
    assert find_descriptors(folder).folder == folder
    with pytest.raises(StorytellerError, match="nowhere is not a folder; --descriptors"):
        find_descriptors(Path("nowhere"))
