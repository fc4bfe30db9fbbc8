"""`make setup` on any day: what an index has done since the lock was taken, and what has become of the environment."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import environment
import lock
import pytest
from fake_index import Index, find_uv, make_workspace, serve


@dataclass
class Place:
    """A tiny workspace, the index that it installs from, and uv."""

    root: Path
    index: Index
    uv: str

    def setup(self) -> None:
        """What `make setup` does."""
        environment.setup(self.root, self.uv, sys.executable)

    def imported(self, code: str) -> str:
        """What the environment's interpreter prints."""
        python = self.root / ".venv/bin/python"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def alpha(self) -> str:
        """The version of alpha that is installed."""
        return self.imported("import alpha; print(alpha.VERSION)")

    def forget(self) -> None:
        """Neither environment nor cache: a new user's first setup."""
        shutil.rmtree(self.root / ".venv", ignore_errors=True)
        shutil.rmtree(self.root.parent / "cache", ignore_errors=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Locked: alpha 1.0, of which a wheel for all and one for another machine were known, and beta 2.0."""
    index = Index()
    alpha, beta = index.add("alpha", "1.0"), index.add("beta", "2.0")
    locked = f"# a comment\nalpha==1.0 \\\n    {alpha}\nbeta==2.0 \\\n    {beta}\n"
    with serve(index) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        for name in ("UV_EXCLUDE_NEWER", "UV_INDEX", "UV_FIND_LINKS", "UV_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        # Somebody else's environment is active: it is not the one that is meant.
        monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
        yield Place(make_workspace(tmp_path / "a folder with ümlauts", locked), index, find_uv())


def test_a_fresh_setup_installs_the_lock_and_the_editable_packages(place: Place) -> None:
    place.setup()
    assert place.alpha() == "1.0"
    assert place.imported("import own, beta; print(own.MINE, own.__file__)") == (
        f"True {place.root / 'packages/own/src/own.py'}"
    )


def test_a_newer_release_that_appears_late_changes_nothing(place: Place) -> None:
    place.index.add("alpha", "1.1")
    place.setup()
    assert place.alpha() == "1.0"


def test_a_pinned_release_that_is_yanked_is_installed_all_the_same(place: Place) -> None:
    place.index.yanked.add("alpha-1.0-py3-none-any.whl")
    place.setup()
    assert place.alpha() == "1.0"


def test_a_new_wheel_of_a_pinned_release_is_not_taken(place: Place) -> None:
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    # uv would prefer it: it is made for this very interpreter.
    place.index.add("alpha", "1.0", body="LATE = True\n", tag=f"{version}-none-any")
    place.setup()
    assert place.imported("import alpha; print(hasattr(alpha, 'LATE'))") == "False"


def test_a_release_that_the_mirror_lacks_is_named(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    del place.index.files["beta-2.0-py3-none-any.whl"]
    with pytest.raises(lock.LockError, match="could not be installed"):
        place.setup()
    assert "beta" in capfd.readouterr().err


@pytest.mark.parametrize("honest", [True, False], ids=["the page states the new hash", "the page states the old hash"])
def test_a_file_whose_bytes_changed_is_refused(place: Place, honest: bool, capfd: pytest.CaptureFixture[str]) -> None:
    old = place.index.stated["alpha-1.0-py3-none-any.whl"]
    place.index.add("alpha", "1.0", body="EVIL = True\n")
    if not honest:
        place.index.stated["alpha-1.0-py3-none-any.whl"] = old
    with pytest.raises(lock.LockError, match="could not be installed"):
        place.setup()
    assert "alpha" in capfd.readouterr().err
    assert not list((place.root / ".venv").rglob("alpha.py"))


def test_a_tampered_hash_in_the_lock_is_refused(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    text = (place.root / lock.LOCK).read_text(encoding="utf-8")
    right = place.index.stated["alpha-1.0-py3-none-any.whl"]
    (place.root / lock.LOCK).write_text(text.replace(right, "0" * 64), encoding="utf-8")
    with pytest.raises(lock.LockError, match="could not be installed"):
        place.setup()
    assert "mismatch" in capfd.readouterr().err


def test_a_line_without_a_hash_is_refused_before_anything_is_installed(place: Place) -> None:
    text = (place.root / lock.LOCK).read_text(encoding="utf-8")
    bare = text.replace(f" \\\n    --hash=sha256:{place.index.stated['beta-2.0-py3-none-any.whl']}", "")
    assert bare != text
    (place.root / lock.LOCK).write_text(bare, encoding="utf-8")
    with pytest.raises(lock.LockError, match=r"beta==2\.0 has no hash"):
        place.setup()
    assert place.index.requests == []
    assert not (place.root / ".venv").exists()


def test_a_second_setup_asks_nobody_and_changes_nothing(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    place.setup()
    capfd.readouterr()
    place.index.requests.clear()
    marker = place.root / ".venv/lib/marker"
    marker.touch()
    place.setup()
    assert place.index.requests == []
    assert marker.exists()
    assert capfd.readouterr().err == ""


def test_a_warm_cache_needs_no_network(place: Place) -> None:
    place.setup()
    shutil.rmtree(place.root / ".venv")
    place.index.requests.clear()
    place.setup()
    assert place.index.requests == []
    assert place.alpha() == "1.0"


def test_a_setup_that_was_cut_off_is_made_anew(place: Place) -> None:
    place.setup()
    # As a kill between two files leaves it: the list of files is there, the files are not, the mark is missing.
    (place.root / ".venv" / environment.COMPLETE).unlink()
    next((place.root / ".venv").rglob("alpha.py")).unlink()
    place.setup()
    assert place.alpha() == "1.0"


def test_a_lost_file_is_noticed_and_mended(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.setup()
    next((place.root / ".venv").rglob("beta.py")).unlink()
    place.setup()
    assert place.imported("import beta; print(beta.VERSION)") == "2.0"
    assert "the environment has lost beta.py: it is made anew" in capsys.readouterr().err


def test_a_lost_package_comes_back_and_a_foreign_one_goes(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.setup()
    place.index.add("gamma", "3.0")
    python = str(place.root / ".venv")
    subprocess.run([place.uv, "pip", "uninstall", "--quiet", "--python", python, "alpha"], check=True)
    subprocess.run([place.uv, "pip", "install", "--quiet", "--python", python, "gamma"], check=True)
    place.setup()
    assert place.alpha() == "1.0"
    assert not list((place.root / ".venv").rglob("gamma.py"))
    assert "removed: gamma==3.0" in capsys.readouterr().err


def test_another_interpreter_makes_another_environment(place: Place) -> None:
    place.setup()
    marker = place.root / ".venv/lib/marker"
    marker.touch()
    environment.setup(place.root, place.uv, None)
    assert marker.exists(), "no interpreter was asked for, so the one that is there serves"
    place.setup()
    assert not marker.exists()


def test_a_personal_exclude_newer_is_explained(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2020-01-01")
    with pytest.raises(lock.LockError, match=r"Your own configuration of uv .* hides releases"):
        place.setup()


def test_a_missing_uv_is_named(place: Place) -> None:
    with pytest.raises(lock.LockError, match="cannot run uv at no/such/uv"):
        environment.setup(place.root, "no/such/uv", None)


def test_two_at_once_do_not_disturb_each_other(place: Place) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=place.setup) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert place.alpha() == "1.0"
    assert (place.root / ".venv" / environment.COMPLETE).exists()
