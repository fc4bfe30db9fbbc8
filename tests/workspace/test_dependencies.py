"""What is imported is declared, and what is declared is imported: `make lint` holds every manifest to it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from workspace import BIN, PACKAGES, ROOT

#: (package, file of it, line that is added, fault that is found).
PLANTED = [
    ("schema", "src/storyteller_schema/cli.py", "import yaml", "'yaml' imported but it is a transitive dependency"),
    ("trainer", "src/storyteller_trainer/reading/jsonl.py", "import onnx", "'onnx' imported but"),
    ("exporter", "src/storyteller_exporter/onnx/file.py", "import nowhere", "'nowhere' imported but missing"),
]


def deptry(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "deptry", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def check(package: Path) -> subprocess.CompletedProcess[str]:
    return deptry(package / "src", "--config", package / "pyproject.toml", "--no-ansi")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_declares_what_it_imports(package: str) -> None:
    assert check(ROOT / "packages" / package).returncode == 0


@pytest.mark.parametrize(("package", "file", "line", "fault"), PLANTED)
def test_an_import_that_is_not_declared_is_found(
    package: str, file: str, line: str, fault: str, tmp_path: Path
) -> None:
    copy = shutil.copytree(ROOT / "packages" / package, tmp_path / package)
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    done = check(copy)
    assert done.returncode == 1
    assert fault in done.stderr
    assert Path(file).name in done.stderr


def test_a_dependency_that_nobody_imports_is_found(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT / "packages" / "schema", tmp_path / "schema")
    manifest = copy / "pyproject.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"numpy>=2.2",', '"numpy>=2.2", "torch",'), encoding="utf-8")
    done = check(copy)
    assert done.returncode == 1
    assert "'torch' defined as a dependency but not used in the codebase" in done.stderr


def test_the_root_declares_what_the_tests_import() -> None:
    assert deptry("tests", "tests/support", "tests/fuzz", "scripts", "benchmarks").returncode == 0


def test_make_lint_looks_at_every_package() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    looked_at = re.findall(r"for package in (.+); do", makefile)
    assert [found.split() for found in looked_at] == [list(PACKAGES)]
    assert set(PACKAGES) == {path.parent.name for path in (ROOT / "packages").glob("*/pyproject.toml")}


def test_what_the_tests_need_is_part_of_what_setup_installs() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert {"include-group": "tests"} in groups["dev"]
