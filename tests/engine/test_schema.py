"""What the Rust crate says about itself is what is committed, and what this workspace says."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from rust_engine import CRATE, exported_schema
from storyteller_schema.drift.differences import check_rust

pytestmark = pytest.mark.engine


def test_the_committed_schema_is_what_the_crate_exports(programs: Path) -> None:
    committed = (files("storyteller_schema.drift") / "reference_schema.json").read_text(encoding="utf-8")
    assert exported_schema(programs) == committed, (
        "the crate exports another schema than is committed; if that is meant: cargo run --release --bin "
        "export_feature_schema > ../../packages/schema/src/storyteller_schema/drift/reference_schema.json"
    )


def test_the_crates_source_agrees(programs: Path) -> None:
    report = check_rust(CRATE)
    assert report.differences == []
    assert report.covered["constants"] == 17
