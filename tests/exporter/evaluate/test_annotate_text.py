"""`annotate-text`: which sentences are chosen, what the tasks say, and that they come back as event data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from storyteller_exporter.annotate.pick import pick, uncertainty
from storyteller_exporter.commands.annotate_text import main
from storyteller_trainer.annotations.category_map import own_names
from storyteller_trainer.annotations.importing import Format, Importer, format_of

TEXT = """Zoë gives a crown. 🎭 Søren walks to the old
mill.

Zoë gives a crown. Nobody doubts it at all. Mr. Pell says so."""


@pytest.fixture
def models(words: Path) -> Path:
    return words.parent


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_tasks_for_label_studio(models: Path, text: Path) -> None:
    result = call(text, "--models", models, "--count", "3", "--random-share", "0.3", "-o", "t/tasks.json")
    assert result.exit_code == 0, result.output
    assert "4 sentences; chosen 2 uncertain and 1 random ones" in result.stdout
    tasks = json.loads(Path("t/tasks.json").read_text(encoding="utf-8"))
    random = json.loads(Path("t/tasks.random.json").read_text(encoding="utf-8"))
    assert (len(tasks), len(random)) == (2, 1)
    config = Path("t/tasks.config.xml").read_text(encoding="utf-8")
    assert '<Label value="GESTURE"/>' in config
    assert '<Choice value="SpeechAct"/>' in config
    # The sentence that is exactly undecided comes first.
    assert "doubts" in (tasks[0] if "doubts" not in random[0]["data"]["text"] else random[0])["data"]["text"]
    for task in [*tasks, *random]:
        start, end = map(int, task["data"]["place"].rpartition(":")[2].split("-"))
        assert " ".join(TEXT[start:end].split()) == task["data"]["text"]
        assert 0 <= task["data"]["uncertainty"] <= 1


def test_suggestions_come_back_as_event_data(models: Path, text: Path) -> None:
    assert call(text, "--models", models, "--random-share", "0", "-o", "tasks.json").exit_code == 0
    tasks = json.loads(Path("tasks.json").read_text(encoding="utf-8"))
    for task in tasks:  # a person looked at it and let it stand
        task["annotations"] = task.pop("predictions")
    Path("done.json").write_text(json.dumps(tasks), encoding="utf-8")
    importer = Importer(own_names())
    importer.add(Path("done.json"), format_of(Path("done.json")))
    assert not importer.report().dropped
    found = {
        one.text: ([entity.text for entity in one.entities], [kind.value for kind in one.event_kinds])
        for one in importer.examples
    }
    # UTF-16 offsets after an emoji, the label of the words, and a sentence wrapped over two lines.
    assert found["🎭 Søren walks to the old mill."] == (["Søren", "old mill"], ["SpatialChange"])
    assert found["Zoë gives a crown."] == (["Zoë", "crown"], ["ActionOccurrence"])


def test_tasks_for_doccano(models: Path, text: Path) -> None:
    result = call(text, "--models", models, "--count", "9", "--tool", "doccano", "--random-share", "0", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"sentences": 4, "files": {"artifacts/data/tasks.jsonl": 4}}
    importer = Importer(own_names())
    importer.add(Path("artifacts/data/tasks.jsonl"), Format.DOCCANO)
    assert len(importer.examples) == 4
    assert not Path("artifacts/data/tasks.config.xml").exists()


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [(b"", 1, "no sentences; a text is expected"), (b"\xff", 1, "not UTF-8 at byte 0")],
)
def test_texts_that_are_none(models: Path, text: Path, content: bytes, code: int, message: str) -> None:
    text.write_bytes(content)
    result = call(text, "--models", models)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())


def test_uncertainty_is_between_sure_and_undecided() -> None:
    sure = np.full(8, 20.0)
    labels = np.zeros((3, 15))
    labels[:, 0] = 40.0
    assert uncertainty(sure, labels) == pytest.approx(0.0, abs=1e-6)
    assert uncertainty(np.zeros(8), labels) == pytest.approx(0.5)
    assert uncertainty(np.zeros(8), np.zeros((2, 15))) == pytest.approx((1 + 14 / 15) / 2)
    assert uncertainty(np.zeros(8), np.zeros((0, 15))) == 0.5


def test_the_unsure_and_the_different_are_picked() -> None:
    texts = ["the cat sat on mats", "the cat sat on hats", "rain fell over hills", "yes", "a dull known thing"]
    chosen = pick(texts, [0.9, 0.89, 0.5, 1.0, 0.1], 3, 0.0, 1)
    # The second is nearly the first again; the fourth is too short to be worth a choice.
    assert (chosen.random, chosen.uncertain) == ([], [0, 2, 1])
    some = pick(texts, [0.5] * 5, 4, 0.5, 1)
    assert (len(some.random), len(some.uncertain)) == (2, 2)
    assert len({*some.random, *some.uncertain}) == 4
    assert pick(texts, [0.5] * 5, 4, 0.5, 1) == some
    assert sorted(pick(texts, [0.5] * 5, 99, 1.0, 1).random) == [0, 1, 2, 3, 4]
    everything = pick(texts, [0.5] * 5, 99, 0.2, 1)
    assert sorted([*everything.random, *everything.uncertain]) == [0, 1, 2, 3, 4]
