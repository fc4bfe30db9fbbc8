"""The comparison behind `make setup`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import lock
import pytest
from workspace import ROOT

COMMITTED = """\
click==8.5.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:cc
"""


def test_the_same_pins_in_another_format_are_no_difference() -> None:
    other = "numpy==2.4.6 --hash=sha256:cc ; python_version < '3.12'\nclick==8.5.1 --hash=sha256:bb --hash=sha256:aa\n"
    assert lock.pins(COMMITTED)["click==8.5.1"] == {"sha256:aa", "sha256:bb"}
    assert lock.differences(lock.pins(COMMITTED), lock.pins(other)) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("click==8.5.1", "click==8.6.0"), ["only in requirements.lock: click==8.5.1", "click==8.6.0"]),
        (("sha256:cc", "sha256:dd"), ["other hashes: numpy==2.4.6"]),
        (("    --hash=sha256:cc\n", ""), ["other hashes: numpy==2.4.6"]),
    ],
)
def test_another_version_or_hash_is_named(change: tuple[str, str], named: list[str]) -> None:
    found = "\n".join(lock.differences(lock.pins(COMMITTED), lock.pins(COMMITTED.replace(*change))))
    for part in named:
        assert part in found


def test_check_fails_with_the_difference_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    committed = tmp_path / "requirements.lock"
    committed.write_text(COMMITTED, encoding="utf-8")
    monkeypatch.setattr(lock, "LOCK", committed)
    monkeypatch.setattr(lock, "resolve", lambda uv: COMMITTED.replace("8.5.1", "8.6.0"))
    with pytest.raises(lock.LockError, match=r"(?s)click==8\.6\.0.*make lock"):
        lock.check("uv")


def test_a_missing_uv_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["lock.py", "check", "--uv", "no/such/uv"])
    assert lock.main() == 1
    assert "cannot run uv at no/such/uv" in capsys.readouterr().err


def test_write_moves_the_day_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    monkeypatch.setattr(lock, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(lock, "resolve", lambda uv: COMMITTED)
    lock.write("uv")
    written = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    day = r'exclude-newer = "\d{4}-\d\d-\d\dT00:00:00Z"'
    assert re.sub(day, "", written) == re.sub(day, "", project)
    assert re.search(day, written)
    assert lock.pins((tmp_path / "requirements.lock").read_text(encoding="utf-8")) == lock.pins(COMMITTED)


def test_the_committed_lock_holds_no_address_and_a_hash_for_every_pin() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    found = lock.pins(text)
    assert {"torch", "onnxruntime", "transformers"} <= {pin.split("==")[0] for pin in found}
    assert [pin for pin, hashes in found.items() if not hashes] == []
