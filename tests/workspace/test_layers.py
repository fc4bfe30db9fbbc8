"""Who may import whom: what pyproject.toml says of it holds, and every sentence of it is one that can be broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspace import PACKAGES, ROOT

LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
#: (module, import, the contract that it breaks).
PLANTED = [
    ("storyteller_schema/contract/rules", "import storyteller_trainer", "No package imports to its right"),
    ("storyteller_trainer/runs/claim", "import storyteller_exporter", "No package imports to its right"),
    ("storyteller_schema/common/files", "import torch", "The schema needs neither PyTorch nor ONNX"),
    ("storyteller_trainer/runs/device", "import onnxruntime", "The trainer needs no ONNX"),
    (
        "storyteller_exporter/export/events",
        "from storyteller_trainer.events.training import train",
        "The exporter reads runs and trains nothing",
    ),
    (
        "storyteller_exporter/evaluate/sets",
        "from storyteller_trainer.commands import generate_event_data",
        "The exporter reads runs and trains nothing",
    ),
    ("storyteller_schema/contract/enums", "from storyteller_schema.drift import facts", "Rooms of the schema"),
    (
        "storyteller_trainer/character/data/rows",
        "from storyteller_trainer.sample.character import plan",
        "Rooms of the trainer",
    ),
    ("storyteller_trainer/reading/jsonl", "from storyteller_trainer.runs import claim", "Rooms of the trainer"),
    (
        "storyteller_trainer/events/data/example",
        "from storyteller_trainer.events.model import metrics",
        "Rooms of a trained model",
    ),
    (
        "storyteller_trainer/sample/events/markup",
        "from storyteller_trainer.sample.character import plan",
        "Rooms of the sample data",
    ),
    ("storyteller_exporter/onnx/file", "from storyteller_exporter.checks import parity", "Rooms of the exporter"),
]


def lint(*sources: Path) -> subprocess.CompletedProcess[str]:
    """Checks the packages in these folders by the workspace's own configuration."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sources)), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_nobody_imports_whom_they_must_not() -> None:
    done = lint(*(ROOT / "packages" / package / "src" for package in PACKAGES))
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def plant(folder: Path, *imports: tuple[str, str]) -> Path:
    """A copy of all packages with an import more in some modules, inside of a function: late imports count too."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / "packages" / package / "src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.json")
        )
    for number, (module, line) in enumerate(imports):
        with (folder / f"{module}.py").open("a", encoding="utf-8") as file:
            file.write(f"\n\ndef planted_{number}() -> None:\n    {line}\n")
    return folder


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of all planted imports together, with its lines joined."""
    done = lint(plant(tmp_path_factory.mktemp("planted"), *((module, line) for module, line, _ in PLANTED)))
    assert done.returncode == 1, done.stdout
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(("module", "line", "contract"), PLANTED)
def test_a_planted_import_is_found(complaints: str, module: str, line: str, contract: str) -> None:
    assert f"{contract} BROKEN" in complaints
    imported = ".".join(re.findall(r"(?:from|import) (\S+)", line))
    assert f"{module.replace('/', '.')} -> {imported} (" in complaints


def test_a_circle_inside_of_a_room_and_a_room_without_a_floor_are_found(tmp_path: Path) -> None:
    plant(tmp_path, ("storyteller_schema/contract/enums", "from storyteller_schema.contract import features"))
    (tmp_path / "storyteller_exporter" / "attic").mkdir()
    (tmp_path / "storyteller_exporter" / "attic" / "__init__.py").touch()
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "No circle anywhere BROKEN" in done.stdout
    assert "Rooms of the exporter BROKEN" in done.stdout
    assert done.stdout.count(" BROKEN") == 2
