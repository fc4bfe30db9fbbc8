"""What once passed in silence or broke the check: each kind with inputs around it, by way of the command."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from engine_copy import ML, EngineCopy

RIGHT = "ActionType::Wait => [0.0, 0.0, 0.0, 0.0, 1.0, 0.0],"
WRONG = "ActionType::Wait => [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],"
SWAPPED = "    Speak,\n    Perform,\n"
STRAIGHT = "    Perform,\n    Speak,\n"
ACTION_ENUM = "#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]\npub enum ActionType {"


@pytest.fixture
def engine(tmp_path: Path) -> EngineCopy:
    return EngineCopy(tmp_path / "engine")


def test_the_three_files_alone_agree(engine: EngineCopy) -> None:
    result = engine.check()
    assert (result.exit_code, result.stderr) == (0, "")
    assert "No difference." in result.stdout
    assert result.stdout.splitlines()[-1] == "4 topics were not seen; --strict counts that as a difference."


# --- what a default build compiles


@pytest.mark.parametrize("manifest", [None, '[package]\nname = "storyteller-ml"\n[features]\nnew = []\nold = []\n'])
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("feature_schema.rs", RIGHT, WRONG),
        ("feature_schema.rs", "pub const MAX_EDGES: usize = 5;", "pub const MAX_EDGES: usize = 6;"),
        ("event_labels.rs", "pub const MAX_SEQ_LENGTH: usize = 128;", "pub const MAX_SEQ_LENGTH: usize = 256;"),
        ("enums.rs", "    Whisper,\n", "    Conversational,\n"),
    ],
    ids=["arm", "constant", "length", "variant"],
)
def test_alternatives_under_features(
    engine: EngineCopy, file: str, right: str, wrong: str, manifest: str | None
) -> None:
    if manifest:
        engine.write("Cargo.toml", manifest, "crates/storyteller-ml")
    off, on = '#[cfg(feature = "old")]', '#[cfg(not(feature = "old"))]'
    engine.replace(file, right, f"{on} {wrong}\n{off} {right}")
    result = engine.check()
    assert result.exit_code in (1, 2), result.output
    if file != "enums.rs":
        assert "a default build leaves out" in result.stdout
    if manifest:  # where the default features have it, the other one counts
        engine.write("Cargo.toml", manifest + 'default = ["new"]\n', "crates/storyteller-ml")
        engine.write(
            "Cargo.toml", manifest.replace("new = []", 'new = ["old"]\ndefault = ["new"]'), "crates/storyteller-ml"
        )
        assert engine.check().exit_code == 0


def test_a_label_array_under_features(engine: EngineCopy) -> None:
    text = (engine.root / ML / "event_labels.rs").read_text(encoding="utf-8")
    start, end = text.index("pub const EVENT_KIND_LABELS"), text.index("];") + 2
    array = text[start:end]
    wrong = array.replace("SpatialChange", "SpaceChange")
    engine.write(
        "event_labels.rs",
        f'{text[:start]}#[cfg(not(feature = "old"))]\n{wrong}\n#[cfg(feature = "old")]\n{array}{text[end:]}',
    )
    result = engine.check()
    assert result.exit_code == 1
    assert "EVENT_KIND_LABELS[2]" in result.stdout


def test_a_feature_that_another_crate_switches_on_is_not_judged(engine: EngineCopy) -> None:
    engine.write("Cargo.toml", '[package]\nname = "storyteller-ml"\n[features]\nold = []\n', "crates/storyteller-ml")
    depends = '[dependencies]\nstoryteller-ml = { path = "../storyteller-ml", features = ["old"] }\n'
    engine.write("Cargo.toml", f'[package]\nname = "app"\n{depends}', "crates/app")
    engine.write("lib.rs", "", "crates/app/src")
    engine.replace("feature_schema.rs", RIGHT, f'#[cfg(not(feature = "old"))] {RIGHT} #[cfg(feature = "old")] {WRONG}')
    result = engine.check()
    assert result.exit_code == 2
    assert "cannot be judged" in result.stdout


@pytest.mark.parametrize("attribute", ['#[cfg(feature = "v2")]', "#[cfg(unix)]", "#[cfg(any(unix, windows))]"])
@pytest.mark.parametrize(
    ("file", "old"),
    [
        ("enums.rs", "    Perform,\n"),
        ("event_labels.rs", '    "StateAssertion",\n'),
        ("feature_schema.rs", RIGHT),
        ("feature_schema.rs", "pub const MAX_EDGES: usize = 5;"),
        ("feature_schema.rs", "pub fn one_hot_action_type"),
        ("enums.rs", "pub enum ActionContext {"),
    ],
)
def test_an_attribute_on_one_thing_is_not_ignored(engine: EngineCopy, file: str, old: str, attribute: str) -> None:
    engine.replace(file, old, f"{attribute} {old}")
    result = engine.check()
    assert result.exit_code in ((1,) if "feature" in attribute else (2,)), result.output
    if "unix" in attribute:
        assert f"{ML}/{file}:" in result.stdout
        assert attribute in result.stdout


@pytest.mark.parametrize(
    "attribute",
    [
        '#[cfg(any(test, feature = "full"))]',
        "#[cfg(not(any(test, miri)))]",
        '#[cfg(feature = "test-utils")]',
        '#[deprecated(note = "behind a cfg, only for a test")]',
        "#[cfg(not(test))]",
        "#[cfg(all(not(test), not(doc)))]",
        '#[cfg_attr(test, doc = "cfg(test)")]',
        '#[doc = "#[cfg(test)]"]',
    ],
)
def test_a_word_does_not_make_it_a_test(engine: EngineCopy, attribute: str) -> None:
    engine.replace("enums.rs", STRAIGHT, SWAPPED)
    engine.replace("enums.rs", ACTION_ENUM, f"{attribute}\n{ACTION_ENUM}")
    result = engine.check()
    assert result.exit_code in (1, 2), result.output
    assert "ActionType" in result.stdout


@pytest.mark.parametrize(
    "files",
    [
        {
            "lib.rs": "pub mod enums; pub mod event_labels; pub mod feature_schema; mod fixtures;",
            "fixtures.rs": "#![cfg(test)]\n",
        },
        {
            "lib.rs": "pub mod enums; pub mod event_labels; pub mod feature_schema;\n#[cfg(test)]\nmod tests;",
            "tests.rs": "",
        },
        {"lib.rs": "#[cfg(test)] mod tests;", "tests.rs": ""},
        {"feature_schema/tests.rs": "", "+feature_schema.rs": "#[cfg(test)]\nmod tests;"},
        {"tests.rs": "", "+enums.rs": "#[cfg(all(test, unix))]\nmod tests;"},
        {"check/mod.rs": "#![cfg(test)]\n"},
        {"+enums.rs": '#[cfg(test)]\n#[path = "odd.rs"]\nmod tests;', "odd.rs": ""},
    ],
)
def test_test_files_are_known_by_structure(engine: EngineCopy, files: dict[str, str]) -> None:
    wrong = "pub enum ActionType { Speak, Perform, Move, Examine, Wait, Resist }\n"
    wrong += (
        "pub enum ActionContext { CurrentScene, SharedHistory, EmotionalReaction, RelationalDynamic, WorldResponse }\n"
    )
    for name, text in files.items():
        if name.startswith("+"):
            engine.append(name[1:], text)
        else:
            engine.write(name, text if name == "lib.rs" else text + wrong)
    result = engine.check()
    assert result.exit_code == 0, result.output


# --- of several candidates the one that is used


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("enums.rs", "    Resist,\n", "    Refuse,\n", "enum ActionType[5]"),
        ("enums.rs", "    Anger,\n", "    Rage,\n", "enum Primary[6]"),
        ("feature_schema.rs", "NUM_ACTION_TYPES: usize = 6", "NUM_ACTION_TYPES: usize = 7", "NUM_ACTION_TYPES"),
        ("feature_schema.rs", RIGHT, WRONG, "one-hot ActionType::Wait"),
        ("event_labels.rs", "= 128", "= 256", "MAX_SEQ_LENGTH"),
    ],
)
@pytest.mark.parametrize("copy", ["crates/aaa-legacy/src", "old", "crates/zzz/src/ml", f"{ML}/old"])
def test_a_stale_copy_is_not_taken(engine: EngineCopy, copy: str, file: str, old: str, new: str, named: str) -> None:
    engine.copy_to(copy)
    engine.replace(file, old, new)
    result = engine.check()
    assert result.exit_code == 1, result.output
    assert named in result.stdout
    assert copy in result.stdout
    # And the other way round: what nobody uses is named, and no difference, where that can be told.
    engine.replace(file, new, old)
    engine.replace(file, old, new, copy)
    if copy.startswith("crates/") and ML not in copy:  # within one crate without a root nothing tells them apart
        result = engine.check()
        assert result.exit_code == 0, result.output
        assert f"not {copy}" in result.stdout


def test_many_stale_copies_are_one_line_a_file(engine: EngineCopy) -> None:
    for number in range(20):
        engine.copy_to(f"crates/copy-{number:02}/src")
    result = engine.check()
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert text.count("crates/copy-00/src/enums.rs") <= 2
    assert "crates/copy-04/src/enums.rs and 15 more" in text
    assert "crates/copy-05" not in text
    assert text.count(": compared ") < 8, "what was taken from the same files has one line"


def test_an_enum_that_a_use_leads_to(engine: EngineCopy) -> None:
    engine.write("lib.rs", "pub mod kinds;", "crates/storyteller-core/src")
    engine.write(
        "kinds.rs", "pub enum Act { Speak, Perform, Move, Examine, Wait, Resist }", "crates/storyteller-core/src"
    )
    engine.replace("feature_schema.rs", "    ActionType, Awareness", "    Awareness")
    engine.replace(
        "feature_schema.rs", "// --- sizes of", "use storyteller_core::kinds::Act as ActionType;\n// --- sizes of"
    )
    result = engine.check()
    assert result.exit_code == 1
    assert "enum ActionType[0]" in result.stdout
    assert "crates/storyteller-core/src/kinds.rs:1" in result.stdout


# --- paths and arithmetic


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("crate::limits::N", 7),
        ("super::limits::N", 7),
        ("self::inner::N", 8),
        ("self::N", 6),
        ("N", 6),
        ("limits::N", 7),
        ("L", 7),
        ("inner::deep::N", 9),
        ("(LOW / 2 + 11) as usize", 8),
        ("(LOW % 4 + 6) as usize", 3),
        ("453 as u8 as usize", 197),
    ],
)
def test_a_path_leads_where_rust_leads_it(engine: EngineCopy, expression: str, value: int) -> None:
    engine.write("limits.rs", "pub const N: usize = 7;\n")
    engine.append(
        "feature_schema.rs",
        "use crate::limits::{self, N as L};\nconst N: usize = 6;\nconst LOW: isize = 1 - 8;\n"
        "mod inner { pub const N: usize = 8; pub mod deep { pub const N: usize = super::N + 1; } }\n",
    )
    engine.replace("feature_schema.rs", "NUM_ACTION_TYPES: usize = 6", f"NUM_ACTION_TYPES: usize = {expression}")
    result = engine.check()
    if value == 6:
        assert result.exit_code == 0, result.output
    else:
        assert result.exit_code == 1
        [row] = [line for line in result.stdout.splitlines() if "NUM_ACTION_TYPES" in line]
        assert f" {value} (" in row


# --- there and not understood


@pytest.mark.parametrize(
    "body",
    [
        "let mut v = [0.0; NUM_ACTION_TYPES]; v[5 - action as usize] = 1.0; v",
        "let mut v = [0.0; NUM_ACTION_TYPES]; v[action as usize] = 1.0; v",
        "std::array::from_fn(|i| if i == action as usize { 1.0 } else { 0.0 })",
        "table![action]",
    ],
)
def test_a_one_hot_of_another_form_is_a_difference(engine: EngineCopy, body: str) -> None:
    path = engine.root / ML / "feature_schema.rs"
    text = path.read_text(encoding="utf-8")
    start = text.index("{", text.index("pub fn one_hot_action_type"))
    end = text.index("pub fn one_hot_speech_register")
    path.write_text(f"{text[:start]}{{ {body} }}\n\n{text[end:]}", encoding="utf-8")
    result = engine.check()
    assert result.exit_code == 1
    assert "there and not understood" in result.stdout


# --- limits

SQUARES = "\n".join(["const A0: u64 = 3;", *(f"const A{i}: u64 = A{i - 1} * A{i - 1};" for i in range(1, 41))])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SQUARES, 7),
        (f"const A: usize = {'7' * 5000};", 1),
        ("const A: usize = 0x_;", 1),
        (f"const A: usize = {'(' * 3000}1{')' * 3000};", 1),
        ("mod a {" * 3000 + "}" * 3000, 1),
        (f"const A: () = {'(' * 3000}1{',)' * 3000};", 1),
        ("const A: usize = 1" + " + 1" * 5000 + ";", 1),
        ("\n\nconst A: [[u8; 1]; 1] = " + "[" * 3000 + "]" * 3000 + ";", 3),
        ('const A: &str = "' + "\udcff" + '";', 1),
        ("const A: usize = ] } 7;", None),
    ],
    ids=["squares", "digits", "no digits", "parentheses", "modules", "tuples", "sum", "arrays", "UTF-8", "no Rust"],
)
def test_what_is_beyond_a_limit_is_told_with_its_line(engine: EngineCopy, text: str, line: int | None) -> None:
    path = engine.root / ML / "feature_schema.rs"
    before = path.read_bytes()
    path.write_bytes(before + text.encode(errors="surrogateescape"))
    result = engine.check()
    assert result.exit_code == 2, result.output
    place = f"{ML}/feature_schema.rs:" + ("" if line is None else f"{before.count(10) + line}")
    assert place in result.output


def test_what_is_no_file_is_skipped_by_name(engine: EngineCopy) -> None:
    folder = engine.root / ML
    os.mkfifo(folder / "x.rs")
    (folder / "nowhere.rs").symlink_to("nowhere")
    (folder / ".#lock.rs").symlink_to("user@host")
    (folder / "folder.rs").mkdir()
    (folder / "zero.rs").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket may have no more than 107 bytes
        try:
            bound.bind("s.rs")
        finally:
            os.chdir(here)
        result = engine.check()
    assert result.exit_code == 0, result.output
    for name, kind in (("x.rs", "a FIFO"), ("s.rs", "a socket"), ("zero.rs", "a device"), ("nowhere.rs", "cannot be")):
        assert f"not read: {ML}/{name}: {kind}" in result.stdout
    (folder / "event_labels.rs").unlink()
    os.mkfifo(folder / "event_labels.rs")
    assert "event labels: no file event_labels.rs" in engine.check().stdout


@pytest.mark.parametrize("content", [b"\xff", b"[package", b"a = " + b"[" * 100_000, b"name = 1\nname = 2"])
def test_a_manifest_that_is_none(engine: EngineCopy, content: bytes) -> None:
    engine.write("Cargo.toml", content, "crates/storyteller-ml")
    result = engine.check()
    assert result.exit_code == 2
    assert "crates/storyteller-ml/Cargo.toml" in result.output


# --- what no source shows


def test_strict_counts_what_is_not_seen(engine: EngineCopy) -> None:
    result = engine.check("--strict")
    assert result.exit_code == 1
    assert "(not seen)" in result.stdout
    (engine.root / ML / "enums.rs").unlink()
    lenient = engine.check()
    assert lenient.exit_code == 0
    assert lenient.stdout.splitlines()[-1].startswith("15 topics were not seen")
