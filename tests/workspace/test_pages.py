"""README and docs/: links, targets, commands, options and paths exist, and the generated page is up to date."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import vector_texts
import write_docs
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Layout
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.generate import generate_dataset
from workspace import ROOT, console_commands

DOCS = sorted((ROOT / "docs").glob("*.md"))
FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md")]
PAGES = [*FRONT, *sorted(ROOT.glob("packages/*/README.md")), *DOCS]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

#: What begins like the names of our commands and targets has to be one.
NAME = re.compile(r"(?<![\w/.-])(?:train|export|verify|evaluate|generate|storyteller)-[a-z]+(?:-[a-z]+)*(?![\w/.-])")
#: The packages, which are named as one of the commands is.
PACKAGES = {"storyteller-schema", "storyteller-trainer", "storyteller-exporter"}
#: Names of the engine's own.
FOREIGN = {"storyteller-ml"}
REPOSITORY_PATH = re.compile(r"(?<![\w/.$-])(?:docs|scripts|packages|tests|benchmarks|rust)/[\w./-]*\w")


def code(text: str) -> Iterator[str]:
    """Every line of a block of code, with the lines that go on with it, and every span of code."""
    text = re.sub(r"\\\n\s*", " ", text)
    fences = re.compile(r"(?ms)^```\w*\n(.*?)^```$")
    for block in fences.findall(text):
        yield from block.splitlines()
    text = fences.sub("", text)
    yield from (line.strip() for line in re.findall(r"(?m)^ {4,}\S.*$", text))
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))


def words(line: str) -> list[str]:
    """A line as a shell reads it; what no shell could read is no command."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def targets(line: str) -> list[str]:
    """The Make targets that a line asks for."""
    given = words(line)
    if "make" not in given:
        return []
    given = given[given.index("make") + 1 :]
    asked = []
    while given:
        word = given.pop(0)
        if word == "-C":
            given.pop(0)
        elif re.fullmatch(r"[a-z][a-z-]*", word):
            asked.append(word)
    return asked


def options(command: str) -> set[str]:
    """Every option of a console command, those of its subcommands included."""
    main = console_commands()[command].command()
    every = [main, *main.commands.values()] if isinstance(main, click.Group) else [main]
    declared = {name for each in every for option in each.params for name in (*option.opts, *option.secondary_opts)}
    return declared | {"-h", "--help"}


def makefile_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def mistakes(text: str) -> list[str]:
    """What the code of a page names and nobody has."""
    commands, found = console_commands(), []
    for line in code(text):
        found += [f"make {target}" for target in targets(line) if target not in makefile_targets()]
        names = NAME.findall(line)
        known = {*commands, *makefile_targets(), *PACKAGES, *FOREIGN}
        found += [name for name in names if name not in known]
        given = words(line)
        for command in set(given) & set(commands):
            rest = given[given.index(command) + 1 :]
            asked = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
            found += [f"{command} {option}" for option in sorted(asked - options(command))]
        found += [path for path in REPOSITORY_PATH.findall(line) if not (ROOT / path).exists()]
        found += [name for name in re.findall(r"-m (storyteller_[\w.]+)", line) if not importable(name)]
    return found


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", text):
        other = page.parent / target if target else page
        assert other.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(other), f"{page.name} links to {target}#{anchor}"


@every_page
def test_what_a_page_names_exists(page: Path) -> None:
    assert mistakes(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`make train NPROC=2`, `make -C training schema-check RUST_REPO=.`", []),
        ("`make trian ARGS=--resume`", ["make trian"]),
        ("```sh\nmake export verfy  # both\n```", ["make verfy"]),
        ("    verify-onnx FILE --checkpont RUN", ["verify-onnx --checkpont"]),
        ("    generate-training-data \\\n        --exampels 5", ["generate-training-data --exampels"]),
        ("`export-character-modle`", ["export-character-modle"]),
        ("`storyteller-schema check --rust-repo ../storyteller`", []),
        ("`python scripts/lock.py`, `scripts/lokc.py`", ["scripts/lokc.py"]),
        ("`torchrun -m storyteller_trainer.character.clii data/`", ["storyteller_trainer.character.clii"]),
        ("make trian, as prose, is nobody's command", []),
    ],
)
def test_a_name_that_nobody_has_is_found(text: str, found: list[str]) -> None:
    assert mistakes(text) == found


def test_every_page_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS if f"](docs/{page.name})" not in readme] == []
    assert [page.name for page in FRONT[1:3] if f"]({page.name})" not in readme] == []


@every_page
def test_what_a_page_imports_is_there(page: Path) -> None:
    for block in re.findall(r"(?ms)^```python\n(.*?)^```$", page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


# --- the page that is written ---------------------------------------------------------------------------------------


def test_the_vectors_page_is_what_the_schema_gives() -> None:
    committed = write_docs.PAGE.read_text(encoding="utf-8")
    assert committed == write_docs.page(), "docs/vectors.md is out of date: run `python scripts/write_docs.py`"


def test_every_float_stands_on_the_page_once() -> None:
    """The tables of places cover each vector without a gap and without an overlap."""
    text = write_docs.page()
    inputs = text[text.index("## Input") : text.index("## Output")]
    outputs = text[text.index("## Output") : text.index("## How labels")]
    for part, layout in ((inputs, FEATURES), (outputs, PREDICTIONS)):
        listed: list[int] = []
        for section in re.split(r"(?m)^### ", part)[1:]:
            table = [line.split(" | ") for line in re.split(r"\n\n", section.strip())[-1].splitlines()]
            if layout is PREDICTIONS or "in a slot" not in section:
                table = next(
                    [row.split(" | ") for row in block.splitlines()]
                    for block in section.split("\n\n")
                    if block.startswith("| field | floats")
                )
                cells = [row[1] for row in table[2:]]
            else:
                cells = [cell for row in table[2:] for cell in row[1:]]
            for cell in cells:
                start, _, stop = cell.strip(" |").partition(":")
                listed += range(int(start), int(stop or int(start) + 1))
        assert sorted(listed) == list(range(layout.size))


def test_a_field_without_a_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {name: text for name, text in vector_texts.INPUTS.items() if name != "scene_context.tension"}
    monkeypatch.setattr(write_docs, "INPUTS", texts)
    with pytest.raises(ValueError, match=r"do not name the same: scene_context\.tension"):
        write_docs.page()


def test_generated_data_keeps_to_the_ranges_of_the_page() -> None:
    data = generate_dataset(load_descriptors(), SampleConfig(cells=600, examples=6000, seed=9))
    inputs = {name: (meaning.low, meaning.high) for name, meaning in vector_texts.INPUTS.items()}
    outputs = {name: (text.low, text.high) for name, text in vector_texts.OUTPUTS.items()}
    for values, layout, ranges in ((data.features, FEATURES, inputs), (data.labels, PREDICTIONS, outputs)):
        for name, (low, high) in ranges.items():
            given = used(values, layout, name)
            if low is None or high is None:
                assert given.size == 0, f"{name}: there is data after all"
                continue
            assert given.min() >= np.float32(low), name
            assert given.max() <= np.float32(high), name


def used(values: np.ndarray, layout: Layout, name: str) -> np.ndarray:
    """The values of a field in all slots that are not empty."""
    region_name, _, field = name.partition(".")
    region = layout[region_name]
    slots = values[:, region.span].reshape(len(values), region.slots, region.per_slot)
    if layout is FEATURES:
        slots = slots[slots.any(axis=2)]
    found: np.ndarray = slots[..., region.within_slot(field)]
    return found


def test_what_the_page_says_is_never_seen() -> None:
    data = generate_dataset(load_descriptors(), SampleConfig(cells=50, examples=200, seed=9))
    edges = FEATURES["relational_edges"]
    assert not data.features[:, edges.offset + edges.per_slot : edges.offset + edges.length].any()
    assert not data.features[:, FEATURES["history"].span].any()
