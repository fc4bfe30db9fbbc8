"""The packages from Python: their public names, and the page that shows them."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, assert_type

import pytest
import storyteller_exporter
import storyteller_schema
import storyteller_trainer
from storyteller_trainer import load_checkpoint, load_dataset, load_events
from storyteller_trainer.events.model import encoder_names
from storyteller_trainer.reading.jsonl import sha256
from tiny_encoders import save_tiny_encoder
from workspace import ROOT

PACKAGES = [storyteller_schema, storyteller_trainer, storyteller_exporter]
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
PAGE = ROOT / "docs" / "python.md"


def source(package: ModuleType) -> Path:
    assert package.__file__ is not None
    return Path(package.__file__)


def names_for_type_checkers(package: ModuleType) -> dict[str, tuple[str, str]]:
    """Public name to the module, and the name in it, that a type checker takes it from."""
    (block,) = (
        node.body
        for node in ast.parse(source(package).read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in block
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@each_package
def test_every_public_name_is_what_a_type_checker_takes_it_for(package: ModuleType) -> None:
    names = names_for_type_checkers(package)
    assert sorted([*names, "__version__"]) == sorted(package.__all__) == dir(package)
    for name, (module, there) in names.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), there), name


@each_package
def test_no_public_name_is_that_of_a_module(package: ModuleType) -> None:
    """It would be the one or the other, depending on what was imported before."""
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert modules & set(package.__all__) == set()


@each_package
def test_the_version_is_that_of_the_package(package: ModuleType) -> None:
    declared = tomllib.loads((source(package).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert package.__version__ == declared["version"]


@each_package
def test_a_package_says_that_it_has_types(package: ModuleType) -> None:
    assert source(package).with_name("py.typed").is_file()


def test_a_name_that_is_none_of_ours_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'storyteller_trainer' has no attribute 'load_chekpoint'"):
        storyteller_trainer.load_chekpoint  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'load_chekpoint'"):
        from storyteller_trainer import load_chekpoint  # type: ignore[attr-defined]  # noqa: F401


def test_a_type_checker_sees_through_the_lazy_names() -> None:
    # `make typecheck` fails where these are not so, and where one of the ignored errors above is none.
    assert_type(storyteller_trainer.__version__, str)
    if "it is not run" in storyteller_trainer.__version__:
        assert_type(load_checkpoint("run"), storyteller_trainer.Checkpoint)


def test_importing_a_package_is_light() -> None:
    heavy = "{'torch', 'numpy', 'msgspec', 'onnx', 'onnxruntime', 'transformers', 'tokenizers', 'rich', 'click'}"
    imports = "import storyteller_schema, storyteller_trainer, storyteller_exporter"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@each_package
def test_what_takes_a_path_takes_a_str(package: ModuleType) -> None:
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isfunction(value):
            annotations = {key: kind for key, kind in value.__annotations__.items() if key != "return"}
            assert not [key for key, kind in annotations.items() if re.search(r"\bPath\b", kind)], name


class Named:
    """A path that is neither a str nor a Path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


def test_any_path_like_object_will_do(tmp_path: Path) -> None:
    place: os.PathLike[str] = Named(tmp_path / "missing")
    for function in (load_checkpoint, load_dataset, load_events, storyteller_trainer.load_event_checkpoint):
        load: Any = function
        with pytest.raises(storyteller_schema.StorytellerError, match=f"{tmp_path}/missing.*: no such"):
            load(place)


def test_the_folder_of_a_request_may_be_a_str() -> None:
    folder: Any = "artifacts/events/event"
    request = storyteller_trainer.Request(task=storyteller_trainer.Task.EVENT, folder=folder, options={})
    assert request.folder == Path("artifacts/events/event")


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_minilm(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed as MiniLM is a tiny BERT."""
    root = tmp_path_factory.mktemp("packages")
    package = root / "small_minilm"
    model = save_tiny_encoder(package / "model", "bert")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(root)
    monkeypatch.setattr(encoder_names, "WEIGHTS", package.name)
    monkeypatch.setattr(
        encoder_names, "MINILM_FILES", {name: sha256(model / name) for name in encoder_names.MINILM_FILES}
    )


@pytest.mark.slow
@pytest.mark.usefixtures("small_minilm")
def test_every_block_of_the_page_runs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"(?ms)^```python\n(.*?)^```$", page))
    assert len(blocks) == page.count("```python") == 7
    namespace: dict[str, Any] = {}
    for block in blocks:
        before = page.count("\n", 0, block.start(1))  # so that a traceback names the line of the page
        exec(compile("\n" * before + block[1], str(PAGE), "exec"), namespace)
    assert Path("artifacts/models/verification.json").is_file()
    assert Path("artifacts/models/event_classifier/ner_classifier.onnx").is_file()
