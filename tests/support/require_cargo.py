"""What becomes of a test that needs Rust where Rust is not installed."""

from __future__ import annotations

import os
import shutil

import pytest


def require_cargo() -> None:
    """Without cargo: fails in CI, where the check must not be missed, and skips elsewhere, saying what was missed."""
    if shutil.which("cargo"):
        return
    message = "cargo is not on PATH, so nothing was checked against Rust; install Rust (rustup) and run again"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
