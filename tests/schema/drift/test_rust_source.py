"""Rust text in all the ways in which people write the same thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.drift.rust_source import RustSource, Unreadable
from storyteller_schema.drift.rust_values import discriminants, integer, strings


def read(folder: Path, **files: str) -> RustSource:
    """A repository of the given files; `schema` is schema.rs."""
    for name, text in files.items():
        (folder / f"{name}.rs").write_text(text, encoding="utf-8")
    return RustSource.read(folder)


def value(source: RustSource, name: str, file: str = "schema.rs") -> int:
    return integer(source, source.find(name, Path(file)))


@pytest.mark.parametrize(
    "declaration",
    [
        "pub const X: usize = 13;",
        "const X: usize = 13;",
        "pub(crate) const X: usize = 13;",
        "pub(in crate::a) const X : usize=13 ;",
        "pub const X: u32 = 13u32;",
        "pub const X: usize = 1_3_usize;",
        "pub const X: usize = 0x0D;",
        "pub const X: usize = 0b1101usize;",
        "pub const X: usize = 0o15;",
        "pub static X: usize = 13;",
        '#[allow(dead_code)]\n#[doc = "const X: usize = 1;"]\npub const X: usize = 13;',
        "/// const X: usize = 1;\npub const X: usize = 13;",
        "//! const X: usize = 1;\n\npub const X: usize = 13;",
        "pub const X: usize =\n    13 // = 14\n    ;",
        "pub const X /* name */ : /* type */ usize = /* a /* nested */ one */ 13;",
        "/* const X: usize = 1; /* const X: usize = 2; */ */ pub const X: usize = 13;",
        'const T: &str = "const X: usize = 1;"; pub const X: usize = 13;',
        'const T: &str = r#"a " const X: usize = 1; // "#; pub const X: usize = 13;',
        "const T: [char; 3] = ['\"', '\\'', ';']; pub const X: usize = 13;",
        "pub const X: usize = 6 + 7;",
        "pub const X: usize = 2 * 3 + 7;",
        "pub const X: usize = 1 + 2 * 6;",
        "pub const X: usize = (1 + 2) * 4 + 1;",
        "pub const X: usize = 20 - 4 - 3;",
        "pub const X: usize = 53 / 4;",
        "pub const X: usize = 113 % 100;",
        "pub const X: usize = (6u8 as usize) + 7;",
        "pub const X: usize = A + B; const A: usize = 6; const B: usize = A + 1;",
        "pub const X: usize = self::A * 2 + 1; const A: usize = 6;",
        'pub const X: usize = LABELS.len() * 6 + 1; const LABELS: [&str; 2] = ["a", "b"];',
        'pub const X: usize = 11 + crate::LABELS . len(); pub const LABELS: &[&str] = &["a", /* c */ "b",];',
        "pub const X: usize = Kind::Last as usize + 11; enum Kind { First, Middle, Last }",
        "pub const X: usize = Kind::Last as usize; enum Kind { First = 12, Last }",
        "impl Kind { pub const COUNT: usize = 13; } pub const X: usize = Kind::COUNT;",
        "impl Kind { const A: usize = 6; const B: usize = Self::A + 7; } pub const X: usize = Kind::B;",
        "mod inner { pub const A: usize = 13; } pub const X: usize = inner::A;",
        "#[cfg(not(test))]\npub const X: usize = 13;",
        "pub const X: usize = 13;\n#[cfg(test)]\nmod tests { const X: usize = 1; }",
        "pub const X: usize = 13;\n#[cfg(all(test, unix))]\nconst X: usize = 1;",
    ],
)
def test_a_constant_is_read_however_it_is_written(tmp_path: Path, declaration: str) -> None:
    assert value(read(tmp_path, schema=declaration), "X") == 13


def test_a_constant_may_refer_to_another_file(tmp_path: Path) -> None:
    source = read(
        tmp_path, schema="use crate::limits::A; pub const X: usize = A * 2;", limits="pub const A: usize = 4;"
    )
    assert value(source, "X") == 8


def test_the_declaration_in_the_same_file_comes_first(tmp_path: Path) -> None:
    source = read(tmp_path, schema="const A: usize = 1; const X: usize = A;", other="const A: usize = 2;")
    assert value(source, "X") == 1


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("const X: usize = size();", "cannot evaluate `size()`"),
        ("const X: usize = 1 << 3;", "cannot evaluate `1 << 3`"),
        ("const X: usize = 1 / 0;", "cannot evaluate `1 / 0`"),
        ("const X: usize = A;", "`A` is not declared"),
        ("const X: usize = X + 1;", "`X` refers to itself"),
        ("const X: usize = A; const A: usize = B; const B: usize = A;", "`A` refers to itself"),
        ("const X: usize = A.len(); const A: usize = 3;", "`3` is not an array of strings"),
        ("const X: usize = A.len(); const A: [&str; 1] = [B];", "`B` is not a plain string"),
        ('const X: usize = A.len(); const A: [&str; 1] = ["a\\n"];', "is not a plain string"),
        ("const X: f32 = 0.5;", "cannot evaluate `0.5`"),
    ],
)
def test_what_cannot_be_evaluated_says_so(tmp_path: Path, declaration: str, reason: str) -> None:
    source = read(tmp_path, schema=declaration)
    with pytest.raises(Unreadable) as caught:
        value(source, "X")
    assert reason in str(caught.value)


def test_a_name_with_two_meanings_elsewhere_is_not_guessed(tmp_path: Path) -> None:
    source = read(tmp_path, schema="const X: usize = A;", one="const A: usize = 1;", two="const A: usize = 2;")
    with pytest.raises(Unreadable, match=r"declared more than once: one\.rs:1, two\.rs:1"):
        value(source, "X")


@pytest.mark.parametrize(
    "declaration",
    [
        'pub const L: [&str; 2] = ["a", "b-c"];',
        'pub const L: &[&str] = &[\n    "a", // "x"\n    /* "y" */ "b-c",\n];',
        'pub static L: [&\'static str; 2] = [r"a", r#"b-c"#];',
    ],
)
def test_label_arrays(tmp_path: Path, declaration: str) -> None:
    source = read(tmp_path, schema=declaration)
    assert strings(source.find("L", Path("schema.rs"))) == ["a", "b-c"]


@pytest.mark.parametrize(
    ("declaration", "numbers"),
    [
        ("pub enum E { A, B, C }", {"A": 0, "B": 1, "C": 2}),
        ('enum E {\n  /// B\n  #[serde(rename = "b")]\n  A, // B\n  /* C, */ B\n}', {"A": 0, "B": 1}),
        ("enum E { A = 2, B = 0, C }", {"A": 2, "B": 0, "C": 1}),
        ("enum E { A = FIRST, B } const FIRST: usize = 4;", {"A": 4, "B": 5}),
        ("enum E { A { x: u8 }, B(u8), C }", {"A": 0, "B": 1, "C": 2}),
        ("pub mod inner { pub(super) enum E { A, B } }", {"A": 0, "B": 1}),
    ],
)
def test_enums(tmp_path: Path, declaration: str, numbers: dict[str, int]) -> None:
    source = read(tmp_path, schema=declaration)
    [enum] = source.enums
    assert discriminants(source, enum) == numbers


@pytest.mark.parametrize(
    "function",
    [
        "fn one_hot_e(e: E) -> [f32; 2] { match e { E::A => [1.0, 0.0], E::B => [0.0, 1.0] } }",
        "fn one_hot_e(e: &E) -> [f32; 2] { match *e { enums::E::A => [1., 0.], crate::enums::E::B => [0f32, 1_f32] } }",
        "fn one_hot_e(e: &E) -> [f32; 2] {\nmatch e {\n &E::A => {\n [ 1.0, /* B */\n 0.0]}\n E::B => {[0.0, 1.0]} }}",
        "impl E { pub fn one_hot(&self) -> [f32; 2] { match self { Self::A => [1.0, 0.0], Self::B => [0.0, 1.0] } } }",
        "fn one_hot_e(e: E) -> [f32; 2] { use E::*; match e { A => [1.0, 0.0], B => [0.0, 1.0] } }",
        "fn one_hot_e(e: E) -> [f32; 2] { match e { E::A { .. } => [1.0, 0.0], E::B(_) => [0.0, 1.0] } }",
        "fn one_hot_e(e: E) -> [f32; 2] { let v = match e { E::A => [1.0, 0.0], E::B => [0.0, 1.0] }; v }",
    ],
)
def test_one_hot_functions(tmp_path: Path, function: str) -> None:
    [found] = read(tmp_path, schema=function).one_hots
    assert found.arms == {"A": (1.0, 0.0), "B": (0.0, 1.0)}
    assert "E" in found.types
    assert found.unread == ()


@pytest.mark.parametrize(
    "arm",
    ["E::A | E::B => [1.0, 0.0]", "_ => [0.0; 2]", "E::A if x => [1.0, 0.0]", "E::A => zeros()", "E::A => [ONE, 0.0]"],
)
def test_other_arms_are_kept_as_unread(tmp_path: Path, arm: str) -> None:
    [found] = read(tmp_path, schema=f"fn one_hot_e(e: E) -> [f32; 2] {{ match e {{ {arm}, }} }}").one_hots
    assert found.arms == {}
    assert found.unread == (arm,)


def test_build_output_hidden_folders_tests_and_our_drop_in_are_not_read(tmp_path: Path) -> None:
    for folder in ("target/debug", ".git", "crates/a/tests", "crates/a/benches", "crates/a/src"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.rs").write_text("const X: usize = 1;")
    (tmp_path / "crates/a/src/export_feature_schema.rs").write_text("const X: usize = 1;")
    assert RustSource.read(tmp_path).files == [Path("crates/a/src/x.rs")]


def test_a_missing_folder_and_a_folder_without_rust(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="not a folder"):
        RustSource.read(tmp_path / "nowhere")
    with pytest.raises(StorytellerError, match=r"no Rust file"):
        RustSource.read(tmp_path)


def test_broken_rust_is_no_traceback(tmp_path: Path) -> None:
    source = read(tmp_path, schema="pub const X: usize = ; enum { , fn one_hot_( match { => [1.0 \xff")
    with pytest.raises(Unreadable):
        value(source, "X")
