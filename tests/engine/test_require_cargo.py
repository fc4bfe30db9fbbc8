"""Without cargo a user sees a skip with its reason, and CI a failure. Runs without cargo itself."""

from __future__ import annotations

import pytest
from require_cargo import require_cargo


def test_skipped_for_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nothing was checked against Rust"):
        require_cargo()


def test_failed_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nothing was checked against Rust"):
        require_cargo()
