"""What the repository promises about itself: documents, commands, variables."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from workspace import PACKAGES, ROOT


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_unpickled_and_no_code_comes_from_a_hub(package: str) -> None:
    for path in (ROOT / "packages" / package / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for call in (r"\bpickle\b.*load", r"torch\.load\(", r"allow_pickle=True", r"trust_remote_code=True"):
            assert not re.search(call, text), f"{path.name}: {call}"


def test_every_target_has_a_line_of_help_and_stands_in_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = {name for line in re.findall(r"(?m)^\.PHONY: (.*)$", makefile) for name in line.split()}
    described = set(re.findall(r"(?m)^([a-z][a-z-]*):.*## \S", makefile))
    assert declared == described
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in declared:
        assert re.search(rf"(?m)^  {target} ", listed), target
        assert f"make {target}" in readme, target


def test_every_variable_that_is_read_stands_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    read: set[str] = set()
    for path in (ROOT / "packages").rglob("*.py"):
        read |= set(re.findall(r"\bSTORYTELLER_[A-Z_]+\b", path.read_text(encoding="utf-8")))
    assert read
    assert read == set(re.findall(r"\bSTORYTELLER_[A-Z_]+\b", example))


def test_importing_the_schema_is_light() -> None:
    code = "import sys, storyteller_schema.cli; print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_lock_file_with_addresses_is_tracked() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git, or not a checkout: which files are tracked was not looked at")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "requirements.txt" in tracked
    assert [path for path in tracked if path.endswith(("uv.lock", "Cargo.lock"))] == []


def test_every_file_has_its_room_in_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = {
        (room, name)
        for room, files in re.findall(r"(?m)^\| `([\w/]+)` \| [^|]+ \| ([^|]+) \|$", page)
        for name in re.findall(r"`(\w+)`", files)
    }
    found = set()
    for package in PACKAGES:
        source = ROOT / "packages" / package / "src" / f"storyteller_{package}"
        for path in source.rglob("*.py"):
            if path.name != "__init__.py":
                found.add((str(Path(package) / path.parent.relative_to(source)), path.stem))
    assert sorted(found - listed) == [], "these files are missing in the table"
    assert sorted(listed - found) == [], "the table names files that are not there"


#: What both kinds of model fulfil.
PROTOCOLS = {"trainer/runs/trainer.py", "exporter/checks/family.py"}
#: Modules whose names stand twice for another reason, which docs/architecture.md tells.
TWICE = {"entry_points", "events"}


def test_a_name_that_stands_twice_is_the_same_for_both_kinds_of_model() -> None:
    places = defaultdict[str, list[str]](list)
    for package in PACKAGES:
        source = ROOT / "packages" / package / "src" / f"storyteller_{package}"
        for path in source.rglob("*.py"):
            place = str(Path(package) / path.relative_to(source))
            if path.stem not in {"__init__", "__main__"}:
                places[path.stem].append(place)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(place)
    for name, found in places.items():
        kinds = [re.sub(r"/(character|events)/.*", r" \1", place) for place in found if place not in PROTOCOLS]
        rooms = {kind.removesuffix(" character").removesuffix(" events") for kind in kinds}
        if len(found) > 1 and name not in TWICE:
            assert len(rooms) == 1, f"{name} means different things: {found}"
            assert sorted(kinds) == [f"{room} {kind}" for room in rooms for kind in ("character", "events")], found


def test_fields_are_described_in_one_style() -> None:
    """By `#:` above the field; a string below it is another style for the same thing."""
    found = []
    folders = [ROOT / name for name in ("packages", "benchmarks", "scripts", "tests")]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.ClassDef, ast.Module)):
                continue
            for field, text in pairwise(node.body):
                described = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                if isinstance(field, (ast.Assign, ast.AnnAssign)) and described:
                    found.append(f"{path.relative_to(ROOT)}:{text.lineno}")
    assert found == []
