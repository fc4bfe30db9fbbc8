"""Label Studio's JSON export (the full one, or JSON-MIN) and its import format with pre-annotations.

Offsets are those of JavaScript: code units of UTF-16. Labels of a region are entities, choices are event kinds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.contract.spans import TextOffsets

from storyteller_trainer.annotations.document import Document, DropLog, Mention, Unit
from storyteller_trainer.annotations.offsets import boundaries
from storyteller_trainer.annotations.text_files import read_text
from storyteller_trainer.events.data.example import EventExample

#: The names of the labelling configuration that `config` writes and pre-annotations refer to.
ENTITIES, KINDS, TEXT = "entities", "kinds", "text"


def read(path: Path, drops: DropLog) -> list[Document]:
    """The tasks of an export.

    Of several annotations of a task the first that was not cancelled is taken. A task without one is dropped.

    Raises:
        StorytellerError: the file is no JSON list of tasks, or a task has no text.
    """
    try:
        tasks = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise StorytellerError(f"{path}: not JSON: {error}; export from Label Studio as JSON") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise StorytellerError(f"{path}: not a list of tasks; export from Label Studio as JSON or JSON-MIN")
    documents = []
    for number, task in enumerate(tasks, start=1):
        place = f"{path}: task {task.get('id', number)}"
        try:
            found = _task(task, place, drops)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StorytellerError(f"{place}: not as Label Studio exports it: {error!r}") from error
        if found is not None:
            documents.append(found)
    return documents


def _task(task: dict[str, Any], place: str, drops: DropLog) -> Document | None:
    if "data" not in task:  # JSON-MIN: the data's keys, and one key for each tag of the configuration
        regions = [region for value in task.values() if isinstance(value, list) for region in value]
        choices = [task[KINDS]] if isinstance(task.get(KINDS), str) else task.get(KINDS, {})
        document = Document(place, _text(task, place), kinds=_choices(choices))
        for region in regions:
            if isinstance(region, dict) and "start" in region:
                _add(document, region, drops)
        return document
    done = [one for one in task.get("annotations", task.get("completions", [])) if not one.get("was_cancelled")]
    if not done:
        drops.add("a task that nobody annotated", place, _text(task["data"], place)[:60])
        return None
    if len(done) > 1:
        drops.add("more than one annotation of a task: the first was taken", place, f"{len(done)} annotations")
    document = Document(place, _text(task["data"], place))
    for result in done[0]["result"]:
        value = result.get("value", {})
        if "choices" in value:
            document.kinds = [*(document.kinds or []), *value["choices"]]
        elif "start" in value:
            _add(document, value, drops)
    return document


def _text(data: dict[str, Any], place: str) -> str:
    texts = [data[TEXT]] if isinstance(data.get(TEXT), str) else [v for v in data.values() if isinstance(v, str)]
    if len(texts) != 1:
        raise StorytellerError(f"{place}: which of its {len(texts)} texts is annotated cannot be told; call it `text`")
    return str(texts[0])


def _choices(value: Any) -> list[str] | None:
    found = value.get("choices") if isinstance(value, dict) else value
    return list(map(str, found)) if found else None


def _add(document: Document, value: dict[str, Any], drops: DropLog) -> None:
    labels: list[Any] = next((value[key] for key in ("labels", "hypertextlabels") if value.get(key)), [])
    if not labels:
        drops.add("a region without a label", document.place, str(value.get("text", ""))[:60])
        return
    if len(labels) > 1:
        drops.add("a region with several labels: the first was taken", document.place, f"{labels}")
    text = value.get("text")
    document.mentions.append(Mention(int(value["start"]), int(value["end"]), str(labels[0]), text))


def write(examples: Sequence[EventExample], path: Path) -> list[str]:
    """Writes tasks with their annotations, as a full export has them."""
    write_atomic(path, json.dumps([task(e, "annotations") for e in examples], ensure_ascii=False, indent=1) + "\n")
    return []


def task(example: EventExample, key: str, *, meta: dict[str, Any] | None = None) -> dict[str, Any]:
    """One task.

    Args:
        key: `annotations` for what people said, `predictions` for what a person is to correct.
        meta: more of the task's data, shown beside its text.
    """
    to_character = TextOffsets(example.text).to_character
    to_utf16 = boundaries(example.text, Unit.UTF16)
    result: list[dict[str, Any]] = []
    for number, entity in enumerate(example.entities):
        start, end = (to_utf16[to_character(offset)] for offset in (entity.start, entity.end))
        value = {"start": start, "end": end, "text": entity.text, "labels": [entity.category.value]}
        result.append({"id": f"e{number}", "from_name": ENTITIES, "to_name": TEXT, "type": "labels", "value": value})
    if example.event_kinds:
        value = {"choices": [kind.value for kind in example.event_kinds]}
        result.append({"id": "kinds", "from_name": KINDS, "to_name": TEXT, "type": "choices", "value": value})
    return {"data": {TEXT: example.text, "id": example.id, **(meta or {})}, key: [{"result": result}]}
