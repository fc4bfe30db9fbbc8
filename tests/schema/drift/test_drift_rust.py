"""The check against Rust source: every kind of drift is found and named, and every harmless change passes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.drift.differences import DriftReport, check_rust
from workspace import ROOT

REFERENCE = ROOT / "rust" / "engine" / "src"


@dataclass
class Engine:
    """A repository in the shape of the engine's, made from the reference crate's source, for a test to change."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "crates" / "storyteller-ml" / "src"

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.source / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def add(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def check(self) -> DriftReport:
        return check_rust(self.root)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = Engine(tmp_path / "storyteller")
    shutil.copytree(REFERENCE, engine.source)
    return engine


def rows(report: DriftReport) -> list[tuple[str, str, str]]:
    return [(row.name, row.here, row.there) for row in report.differences]


def test_the_reference_agrees_and_says_what_it_covered(engine: Engine) -> None:
    report = engine.check()
    assert rows(report) == []
    assert report.agrees
    assert report.covered == {"constants": 17, "enum order": 59, "one-hot": 46, "event labels": 24}
    assert [line.partition(":")[0] for line in report.unseen] == [
        "sizes and regions",
        "decode rules",
        "golden vectors",
    ]
    assert "RANGE = 4" in report.extra


# --- what must be found


def test_a_wrong_constant(engine: Engine) -> None:
    engine.replace("feature_schema.rs", "HISTORY_DEPTH: usize = 3;", "HISTORY_DEPTH: usize = 4;")
    report = engine.check()
    assert [(name, here, there.partition(" ")[0]) for name, here, there in rows(report)] == [
        ("HISTORY_DEPTH", "3", "4"),
        ("TOTAL_INPUT_FEATURES", "453", "469"),
    ]
    assert "feature_schema.rs:" in report.differences[0].there


def test_a_swapped_pair_of_variants(engine: Engine) -> None:
    engine.replace("enums.rs", "    Speak,\n    Move,\n", "    Move,\n    Speak,\n")
    report = engine.check()
    assert [(name, here, there.partition(" ")[0]) for name, here, there in rows(report)] == [
        ("enum ActionType[1]", "Speak", "Move"),
        ("enum ActionType[2]", "Move", "Speak"),
    ]
    assert not report.agrees


def test_variants_swapped_by_their_discriminants(engine: Engine) -> None:
    engine.replace("enums.rs", "    Whisper,\n    Conversational,\n", "    Whisper = 1,\n    Conversational = 0,\n")
    engine.replace("enums.rs", "    Declamatory,\n", "    Declamatory = 2,\n")
    assert [name for name, _, _ in rows(engine.check())] == ["enum SpeechRegister[0]", "enum SpeechRegister[1]"]


def test_a_changed_arm(engine: Engine) -> None:
    engine.replace(
        "feature_schema.rs",
        "ActionType::Wait => [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]",
        "ActionType::Wait => [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]",
    )
    [(name, here, there)] = rows(engine.check())
    assert (name, here) == ("one-hot ActionType::Wait", "[0, 0, 0, 0, 1, 0]")
    assert there.startswith("[0, 0, 0, 1, 0, 0] (one_hot_action_type, ")


def test_an_arm_that_cannot_be_read(engine: Engine) -> None:
    engine.replace(
        "feature_schema.rs",
        "SceneType::Connective => [0.0, 1.0, 0.0, 0.0],\n        SceneType::Gate => [0.0, 0.0, 1.0, 0.0]",
        "SceneType::Connective | SceneType::Gate => [0.0, 1.0, 0.0, 0.0]",
    )
    names = [name for name, _, _ in rows(engine.check())]
    assert names == [
        "one-hot SceneType::Connective",
        "one-hot SceneType::Gate",
        "one-hot SceneType: `SceneType::Connective | SceneType::Gate => [0.0, 1.0, 0.0, 0.0]`",
    ]


def test_a_shifted_label(engine: Engine) -> None:
    engine.replace(
        "event_labels.rs", '    "B-CHARACTER",\n    "I-CHARACTER",\n', '    "I-CHARACTER",\n    "B-CHARACTER",\n'
    )
    assert [name for name, _, _ in rows(engine.check())] == ["BIO_LABELS[1]", "BIO_LABELS[2]"]


def test_a_lost_label(engine: Engine) -> None:
    engine.replace("event_labels.rs", '    "EnvironmentalChange",\n', "")
    [(name, here, there)] = rows(engine.check())
    assert (name, here, there) == ("EVENT_KIND_LABELS[7]", "EnvironmentalChange", "(absent)")


def test_another_sequence_length(engine: Engine) -> None:
    engine.replace("event_labels.rs", "MAX_SEQ_LENGTH: usize = 128", "MAX_SEQ_LENGTH: usize = 2 * 128")
    [(name, here, there)] = rows(engine.check())
    assert (name, here, there.partition(" ")[0]) == ("MAX_SEQ_LENGTH", "128", "256")


def test_a_renamed_constant_is_missed_and_its_new_name_shown(engine: Engine) -> None:
    for old in ("pub const MAX_EDGES: usize", "+ (MAX_EDGES *", '"relational_edges", MAX_EDGES *'):
        engine.replace("feature_schema.rs", old, old.replace("MAX_EDGES", "EDGE_SLOTS"))
    report = engine.check()
    assert rows(report) == [("MAX_EDGES", "5", "(absent)")]
    assert "EDGE_SLOTS = 5" in report.extra


def test_a_removed_constant(engine: Engine) -> None:
    engine.replace("feature_schema.rs", "pub const SELF_EDGE_FEATURES: usize = 7;\n", "")
    names = [name for name, _, _ in rows(engine.check())]
    assert names == ["SELF_EDGE_FEATURES", "TOTAL_INPUT_FEATURES"]


def test_a_constant_that_cannot_be_evaluated(engine: Engine) -> None:
    engine.replace(
        "feature_schema.rs", "EVENT_FEATURES: usize = (7 + 7) + 2;", "EVENT_FEATURES: usize = event_features();"
    )
    assert rows(engine.check())[0][2].startswith("(cannot be read: cannot evaluate `event_features()`")


def test_of_two_alternatives_the_one_that_a_default_build_compiles_counts(engine: Engine) -> None:
    engine.replace(
        "feature_schema.rs",
        "pub const HISTORY_DEPTH: usize = 3;",
        '#[cfg(feature = "long")]\npub const HISTORY_DEPTH: usize = 9;\n'
        '#[cfg(not(feature = "long"))]\npub const HISTORY_DEPTH: usize = 3;',
    )
    report = engine.check()
    assert report.agrees
    assert any("HISTORY_DEPTH" in note and '#[cfg(feature = "long")]' in note for note in report.notes)
    engine.replace("feature_schema.rs", '#[cfg(feature = "long")]', '#[cfg(not(feature = "short"))]')
    engine.replace("feature_schema.rs", '#[cfg(not(feature = "long"))]', '#[cfg(feature = "short")]')
    assert [name for name, _, _ in rows(engine.check())] == ["HISTORY_DEPTH", "TOTAL_INPUT_FEATURES"]


def test_a_file_without_any_constant_is_no_pass(engine: Engine) -> None:
    (engine.source / "feature_schema.rs").write_text("// moved elsewhere\n", encoding="utf-8")
    assert len(rows(engine.check())) == 17


def test_a_renamed_variant(engine: Engine) -> None:
    for file, old in (("enums.rs", "    Threshold,"), ("feature_schema.rs", "SceneType::Threshold =>")):
        engine.replace(file, old, old.replace("Threshold", "Brink"))
    assert [(name, here) for name, here, _ in rows(engine.check())] == [
        ("enum SceneType[3]", "Threshold"),
        ("one-hot SceneType::Threshold", "[0, 0, 0, 1]"),
        ("one-hot SceneType::Brink", "(absent)"),
    ]


def test_an_enum_swapped_under_another_name(engine: Engine) -> None:
    engine.replace(
        "enums.rs", "pub enum Primary {\n    Joy,\n    Trust,", "pub enum PrimaryEmotion {\n    Trust,\n    Joy,"
    )
    assert [name for name, _, _ in rows(engine.check())] == ["enum Primary[0]", "enum Primary[1]"]


def test_of_two_declarations_the_one_that_is_used_counts(engine: Engine) -> None:
    engine.add("crates/core/src/scene.rs", "pub enum SceneType { Connective, Gravitational, Gate, Threshold }")
    report = engine.check()
    assert report.agrees
    [note] = [note for note in report.notes if note.startswith("enum SceneType")]
    assert "feature_schema.rs uses it), not crates/core/src/scene.rs:1" in note
    # Where nothing says which one is used, the one that differs shows.
    engine.replace("enums.rs", "pub enum SceneType {", "pub enum OldSceneType {")
    engine.add("crates/web/src/scene.rs", "pub enum SceneType { Gravitational, Connective, Gate, Threshold }")
    report = engine.check()
    assert [name for name, _, _ in rows(report)] == ["enum SceneType[0]", "enum SceneType[1]"]
    assert "crates/core/src/scene.rs:1" in report.differences[0].there


# --- what must pass


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MAX_TENSOR_AXES: usize = 16;", "MAX_TENSOR_AXES: usize = /* sixteen */\n    4 * 4 // axes\n;"),
        ("MAX_TENSOR_AXES: usize = 16;", "MAX_TENSOR_AXES: usize = MAX_EDGES * HISTORY_DEPTH + 1;"),
        ("NUM_PRIMARIES: usize = 8;", "NUM_PRIMARIES: usize = crate::event_labels::EVENT_KIND_LABELS.len();"),
        ("NUM_PRIMARIES: usize = 8;", "NUM_PRIMARIES: usize = 8;\npub const NUM_MOODS: usize = 3;"),
        ("pub const HISTORY_DEPTH: usize = 3;\n", ""),
    ],
    ids=["lines and comments", "other constants", "length of the labels", "one more", "moved to the end"],
)
def test_the_same_value_written_otherwise(engine: Engine, old: str, new: str) -> None:
    engine.replace("feature_schema.rs", old, new)
    if not new:
        path = engine.source / "feature_schema.rs"
        path.write_text(path.read_text(encoding="utf-8") + "\npub const HISTORY_DEPTH: usize = 3;\n", encoding="utf-8")
    report = engine.check()
    assert rows(report) == []
    assert report.covered["constants"] == 17


def test_enums_may_live_in_another_crate(engine: Engine) -> None:
    engine.add("crates/storyteller-core/src/types/enums.rs", (engine.source / "enums.rs").read_text(encoding="utf-8"))
    (engine.source / "enums.rs").unlink()
    report = engine.check()
    assert report.agrees
    assert report.covered["enum order"] == 59


def test_another_enum_of_the_same_name_is_not_meant(engine: Engine) -> None:
    engine.add("crates/ui/src/lib.rs", "pub enum ActionType { Click, Move, Drag }")
    assert engine.check().agrees
    # Nor when the one that is meant has another name there.
    engine.replace("enums.rs", "pub enum Provenance {", "pub enum Origin {")
    engine.add("crates/web/src/lib.rs", "pub enum Provenance { Local, Remote }")
    assert engine.check().agrees


def test_an_array_of_strings_shows_an_order_too(engine: Engine) -> None:
    path = engine.source / "enums.rs"
    text = path.read_text(encoding="utf-8")
    start = text.index("/// Plutchik")
    names = '["joy", "trust", "fear", "surprise", "sadness", "disgust", "anger", "anticipation"]'
    path.write_text(text[:start] + f"pub const PRIMARY_IDS: [&str; 8] = {names};", encoding="utf-8")
    assert engine.check().agrees
    path.write_text(path.read_text(encoding="utf-8").replace('"joy", "trust"', '"trust", "joy"'), encoding="utf-8")
    assert [name for name, _, _ in rows(engine.check())] == ["enum Primary[0]", "enum Primary[1]"]


# --- what cannot be seen


def test_an_enum_that_is_nowhere_is_said_to_be_unseen(engine: Engine) -> None:
    engine.replace("enums.rs", "pub enum Provenance {", "pub struct Provenance {")
    report = engine.check()
    assert any(line.startswith("enum order Provenance: no enum of this name") for line in report.unseen)
    assert report.covered["enum order"] == 54


def test_a_missing_labels_file_is_said_to_be_unseen(engine: Engine) -> None:
    (engine.source / "event_labels.rs").unlink()
    report = engine.check()
    assert "event labels: no file event_labels.rs in the Rust source" in report.unseen
    assert "event labels" not in report.covered


def test_a_one_hot_without_arms_is_a_difference(engine: Engine) -> None:
    engine.add(
        "crates/storyteller-ml/src/extra.rs", "fn one_hot_primary(p: Primary) -> [f32; 8] { by_index(p as usize) }"
    )
    [row] = [row for row in engine.check().differences if row.name.startswith("one-hot Primary: `fn one_hot_primary")]
    assert "there and not understood" in row.there
    assert "one_hot_primary, crates/storyteller-ml/src/extra.rs:1" in row.there


# --- what is no source


def test_a_repository_without_the_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.rs").write_text("fn main() {}", encoding="utf-8")
    with pytest.raises(StorytellerError, match=r"none of its 1 Rust files is named feature_schema\.rs"):
        check_rust(tmp_path)
