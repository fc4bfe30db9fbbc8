"""Rust text in all the ways in which people write the same thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.drift.rust_one_hots import read_one_hots
from storyteller_schema.drift.rust_source import Module, OneHotFunction, RustSource
from storyteller_schema.drift.rust_syntax import Unjudged, Unreadable
from storyteller_schema.drift.rust_values import Values, strings


def read(folder: Path, **files: str) -> RustSource:
    """A repository of the given files; `schema` is schema.rs."""
    for name, text in files.items():
        (folder / f"{name}.rs").write_text(text, encoding="utf-8")
    return RustSource.read(folder)


def module_of(source: RustSource, file: str = "schema.rs") -> Module:
    return next(module for module in source.modules() if module.file == Path(file))


def value(source: RustSource, name: str) -> int:
    values = Values(source)
    return values.integer(values.find(module_of(source), (name,)))


def functions(source: RustSource) -> list[OneHotFunction]:
    return [function for module in source.modules() for function in module.one_hots]


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
        'pub const X: usize = 11 + self::LABELS . len(); pub const LABELS: &[&str] = &["a", /* c */ "b",];',
        "pub const X: usize = (1 << 4) - 3;",
        "pub const X: usize = 0xff & 0b1101 | 1;",
        "pub const X: usize = (LOW / 2 + 16) as usize; const LOW: isize = 1 - 8;",
        "pub const X: usize = (LOW % 4 + 16) as usize; const LOW: isize = -7;",
        "pub const X: usize = 269 as u8 as usize;",
        "pub const X: usize = (-243i32) as u8 as usize;",
        "pub const X: usize = (300 as u8 as i8 as isize - 31) as usize;",
        "pub const X: i8 = -128 as i8 + 127 + 14;",
        "pub const X: u8 = !0 - 242;",
        "mod a { pub mod b { pub const A: u8 = super::super::C; } } const C: u8 = 13; pub const X: u8 = a::b::A;",
        "use self::a::{A as B}; mod a { pub const A: usize = 13; } pub const X: usize = B;",
        "use a::*; mod a { pub use self::b::*; mod b { pub const A: usize = 13; } } pub const X: usize = A;",
        "mod a { pub const X: usize = 1; } pub use b::X; mod b { pub const X: usize = 13; }",
        '#[cfg(any(test, not(feature = "x")))]\npub const X: usize = 13;',
        '#[cfg(feature = "x")]\npub const X: usize = 1;\n#[cfg(not(feature = "x"))]\npub const X: usize = 13;',
        '#[deprecated(note = "behind a cfg, only for a test")]\npub const X: usize = 13;',
        "#[cfg_attr(test, allow(dead_code))]\npub const X: usize = 13;",
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
        ("const X: usize = if A { 1 } else { 2 };", "cannot evaluate `if A"),
        ("const X: usize = 1 == 2;", "cannot evaluate `1 == 2`"),
        ("const X: usize = nowhere::A; const A: usize = 6;", "`nowhere::A` is not declared"),
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


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("const X: usize = 1 / 0;", "schema.rs:1: `1 / 0` divides by zero"),
        ("const X: usize = 1 % (2 - 2);", "divides by zero"),
        ("const X: usize = 1 - 8;", "`1 - 8` is beyond usize"),
        ("const X: u8 = 200 + 56;", "`200 + 56` is beyond u8"),
        ("const X: i8 = -129;", "`-129` is beyond i8"),
        ("const X: usize = (3_000_000_000 + 1) as usize;", "is beyond i32"),
        ("const X: usize = 1 << 64;", "shifts by more than usize has bits"),
        ("const X: usize = A; const A: u32 = 13;", "is u32 where usize is expected"),
        ("const X: usize = -A as usize; const A: usize = 13;", "negates an unsigned number"),
        ("const X: usize = 0x_;", "has no digits"),
        (f"const X: usize = {'9' * 5000};", "has 5000 digits"),
        (f"const X: u128 = 0x{'f' * 33};", "is beyond u128"),
        ("\n#[cfg(unix)]\nconst X: usize = 1;", "schema.rs:3: whether `X` is compiled depends on `#[cfg(unix)]`"),
        ("const X: usize = 1;\nconst X: usize = 2;", "declared more than once: schema.rs:1, schema.rs:2"),
        (
            "use a::*; use b::*; mod a { pub const A: usize = 1; } mod b { pub const A: usize = 2; } "
            "const X: usize = A;",
            "`A` is declared more than once",
        ),
        (";".join(f"const A{i}: usize = A{i + 1} + 1" for i in range(400)) + "; const X: usize = A0;", "deep"),
    ],
)
def test_what_rustc_refuses_or_the_text_does_not_decide_is_not_judged(
    tmp_path: Path, declaration: str, reason: str
) -> None:
    source = read(tmp_path, schema=declaration)
    with pytest.raises(Unjudged) as caught:
        value(source, "X")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("schema.rs:")


def test_a_name_that_stands_elsewhere_only_is_not_guessed(tmp_path: Path) -> None:
    source = read(tmp_path, schema="const X: usize = A;", one="const A: usize = 1;", two="const A: usize = 2;")
    with pytest.raises(Unreadable, match="`A` is not declared"):
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
    assert strings(Values(source).find(module_of(source), ("L",))) == ["a", "b-c"]


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
    [enum] = [enum for module in source.modules() for enum in module.enums]
    assert Values(source).discriminants(enum) == numbers


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
    [declared] = functions(read(tmp_path, schema=function))
    found = read_one_hots(declared)
    assert found.arms == {"A": (1.0, 0.0), "B": (0.0, 1.0)}
    assert "E" in found.types
    assert found.unread == []


@pytest.mark.parametrize(
    "arm",
    ["E::A | E::B => [1.0, 0.0]", "_ => [0.0; 2]", "E::A if x => [1.0, 0.0]", "E::A => zeros()", "E::A => [ONE, 0.0]"],
)
def test_other_arms_are_kept_as_unread(tmp_path: Path, arm: str) -> None:
    [declared] = functions(read(tmp_path, schema=f"fn one_hot_e(e: E) -> [f32; 2] {{ match e {{ {arm}, }} }}"))
    found = read_one_hots(declared)
    assert found.arms == {}
    assert found.unread == [arm]


@pytest.mark.parametrize(
    "body",
    [
        "let mut v = [0.0; 2]; v[1 - e as usize] = 1.0; v",
        "let mut v = match e { E::A => [1.0, 0.0], E::B => [0.0, 1.0] }; v.reverse(); v",
        "match flip(e) { E::A => [1.0, 0.0], E::B => [0.0, 1.0] }",
        "let e = other(e); match e { E::A => [1.0, 0.0], E::B => [0.0, 1.0] }",
        "if cfg!(x) { return [0.0, 0.0]; } match e { E::A => [1.0, 0.0], E::B => [0.0, 1.0] }",
        "core::array::from_fn(|i| (i == e as usize) as u8 as f32)",
        "ONE_HOTS[e as usize]",
        "",
    ],
)
def test_a_function_that_does_more_than_match_is_not_understood(tmp_path: Path, body: str) -> None:
    [declared] = functions(read(tmp_path, schema=f"fn one_hot_e(e: E) -> [f32; 2] {{ {body} }}"))
    found = read_one_hots(declared)
    assert found.arms == {}
    assert len(found.unread) == 1


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
    source = read(tmp_path, schema="\npub const X: usize = ; enum { , fn one_hot_( match { => [1.0 \xff")
    assert [place.line for place in source.broken.values()] == [2]
    with pytest.raises(Unreadable):
        value(source, "X")
