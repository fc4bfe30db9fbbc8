"""The lock: what is checked without a network, and how it is written."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import lock
import pytest
from fake_index import Index, find_uv, make_workspace, serve
from workspace import ROOT

A, B, C, D, E = (f"sha256:{letter * 64}" for letter in "abcde")
LOCKED = f"""\
# a comment
alpha==1.0 \\
    --hash={A} \\
    --hash={B}
beta==2.0 ; python_full_version < '3.12' \\
    --hash={C}
beta==2.1 ; python_full_version >= '3.12' \\
    --hash={D}
"""


def test_a_requirements_file_is_read_with_markers_and_hashes() -> None:
    assert lock.entries(LOCKED) == [
        ("alpha==1.0", frozenset({A, B})),
        ("beta==2.0 ; python_full_version < '3.12'", frozenset({C})),
        ("beta==2.1 ; python_full_version >= '3.12'", frozenset({D})),
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("alpha==1.0", "alpha==1.1"), ["alpha==1.0 -> alpha==1.1"]),
        ((C, E), ["other files: beta==2.0", "(1 no longer served, 1 added)"]),
        ((f"alpha==1.0 \\\n    --hash={A} \\\n    --hash={B}\n", ""), ["no longer needed: alpha==1.0"]),
        (("# a comment\n", "gamma==3 --hash=sha256:ff\n"), ["new: gamma==3"]),
        (("beta==2.1", "beta==2.2"), ["beta==2.1 ; python_full_version >= '3.12' -> ", "beta==2.2"]),
    ],
)
def test_a_difference_is_named(change: tuple[str, str], named: list[str]) -> None:
    assert change[0] in LOCKED
    found = lock.differences(LOCKED, LOCKED.replace(*change))
    assert len(found) == 1
    for part in named:
        assert part in found[0]
    assert lock.differences(LOCKED, LOCKED) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose lock, manifests and pins agree."""
    return make_workspace(tmp_path / "workspace", LOCKED)


def test_a_workspace_that_agrees_passes(root: Path) -> None:
    lock.check(root)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (lock.LOCK, ("alpha==1.0", "alpha==1.1"), "the block .* does not hold the versions"),
        (lock.LOCK, (f"    --hash={D}\n", "\n"), r"beta==2\.1 ; python_full_version >= '3\.12' has no hash"),
        (lock.LOCK, ("alpha==1.0", "alpha>=1.0"), "alpha>=1.0 fixes no version"),
        (lock.PROJECT, ("'alpha==1.0'", "'alpha==0.9'"), "the block .* does not hold the versions"),
        (lock.PROJECT, (lock.END, ""), "restore it from git"),
        (lock.PROJECT, ("dev = []", 'dev = ["Delta.Tool>=3"]'), r"pyproject\.toml: delta-tool is not in requirements"),
        ("packages/own/pyproject.toml", ('"alpha", ', '"alpha", "gamma[x]>=2", '), "own/pyproject.toml: gamma is not"),
        ("packages/own/pyproject.toml", ("requires = []", 'requires = ["builder>=2"]'), "builder is not in"),
    ],
)
def test_what_does_not_agree_is_named(root: Path, file: str, change: tuple[str, str], message: str) -> None:
    text = (root / file).read_text(encoding="utf-8")
    assert change[0] in text
    (root / file).write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(lock.LockError, match=message):
        lock.check(root)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Index:
    """Serves alpha 1.0 and 1.1 and beta 2.0."""
    index = Index()
    index.add("alpha", "1.0")
    index.add("alpha", "1.1")
    index.add("beta", "2.0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    return index


def written(root: Path, index: Index, monkeypatch: pytest.MonkeyPatch, *, upgrade: bool) -> dict[str, str]:
    """The versions after `make lock`. The index states no upload times, so no release can be too young."""
    with serve(index) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        lock.write(root, find_uv(), upgrade=upgrade, cooldown=0)
    return lock.versions((root / lock.LOCK).read_text(encoding="utf-8"))


def test_lock_keeps_what_fits_and_upgrade_moves_it(
    root: Path, index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written(root, index, monkeypatch, upgrade=False) == {"alpha": "alpha==1.0", "beta": "beta==2.0"}
    lock.check(root)
    capsys.readouterr()
    assert written(root, index, monkeypatch, upgrade=True) == {"alpha": "alpha==1.1", "beta": "beta==2.0"}
    assert "alpha==1.0 -> alpha==1.1\n" in capsys.readouterr().out
    lock.check(root)
    pinned = tomllib.loads((root / lock.PROJECT).read_text(encoding="utf-8"))["tool"]["uv"]["constraint-dependencies"]
    assert pinned == ["alpha==1.1", "beta==2.0"]


def test_an_index_that_changes_between_two_resolutions_writes_nothing(
    root: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [(root / file).read_bytes() for file in (lock.LOCK, lock.PROJECT)]
    resolve, calls = lock.resolve, []

    def changing(*arguments: object, **options: object) -> str:
        calls.append(arguments)
        if len(calls) == 2:
            index.add("beta", "2.5")
        return resolve(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(lock, "resolve", changing)
    with pytest.raises(lock.LockError, match=r"(?s)nothing was written.*beta==2\.0 -> beta==2\.5"):
        written(root, index, monkeypatch, upgrade=True)
    assert [(root / file).read_bytes() for file in (lock.LOCK, lock.PROJECT)] == before


def test_compare_lists_what_is_newer_and_writes_nothing(
    root: Path, index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [(root / file).read_bytes() for file in (lock.LOCK, lock.PROJECT)]
    with serve(index) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        assert not lock.compare(root, find_uv(), cooldown=0)
    assert "alpha==1.0 -> alpha==1.1" in capsys.readouterr().out
    assert [(root / file).read_bytes() for file in (lock.LOCK, lock.PROJECT)] == before


def test_what_cannot_be_resolved_leaves_the_lock(root: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    del index.files["beta-2.0-py3-none-any.whl"]
    before = (root / lock.LOCK).read_bytes()
    with pytest.raises(lock.LockError, match="could not resolve"):
        written(root, index, monkeypatch, upgrade=True)
    assert (root / lock.LOCK).read_bytes() == before


def test_a_missing_uv_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["lock.py", "write", "--uv", "no/such/uv"])
    assert lock.main() == 1
    assert "cannot run uv at no/such/uv" in capsys.readouterr().err


def test_the_committed_files_agree_and_hold_no_address() -> None:
    lock.check(ROOT)
    text = (ROOT / lock.LOCK).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert {"torch", "onnxruntime", "transformers", "hatchling"} <= lock.versions(text).keys()
    # A date cannot fix what an index serves: files appear late. Only the lock does.
    assert "exclude-newer" not in (ROOT / lock.PROJECT).read_text(encoding="utf-8")


def test_a_copy_of_the_committed_files_with_one_pin_changed_is_noticed(tmp_path: Path) -> None:
    for manifest in [Path(lock.LOCK), *lock.manifests(ROOT)]:
        (tmp_path / manifest).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / manifest, tmp_path / manifest)
    lock.check(tmp_path)
    project = (tmp_path / lock.PROJECT).read_text(encoding="utf-8")
    (tmp_path / lock.PROJECT).write_text(project.replace("    'numpy==", "    'numpy==9", 1), encoding="utf-8")
    with pytest.raises(lock.LockError, match="does not hold the versions"):
        lock.check(tmp_path)
