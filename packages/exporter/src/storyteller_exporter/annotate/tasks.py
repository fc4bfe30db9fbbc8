"""Sentences of a text as tasks for Label Studio or doccano, each with what the models say for a person to correct."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register, decode_events
from storyteller_schema.contract.spans import decode_spans
from storyteller_trainer.annotations import doccano, label_studio
from storyteller_trainer.annotations.sentences import sentence_places
from storyteller_trainer.annotations.text_files import read_text
from storyteller_trainer.events.data.example import Entity, EventExample

from storyteller_exporter.annotate.pick import uncertainty
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding

#: What Label Studio needs to show the tasks; the names are those of the pre-annotations.
CONFIG = """<View>
  <Labels name="{entities}" toName="{text}">
{labels}
  </Labels>
  <Text name="{text}" value="${text}"/>
  <Choices name="{kinds}" toName="{text}" choice="multiple" showInline="true">
{choices}
  </Choices>
</View>
"""


@dataclass(frozen=True)
class Suggestion:
    """A sentence with what the models say of it."""

    example: EventExample
    #: `FILE:START-END`, in characters.
    place: str
    #: 0 to 1, see `pick.uncertainty`.
    uncertainty: float


def sentences(paths: Sequence[Path], register: Register) -> list[tuple[EventExample, str]]:
    """Every different sentence of the files, and its place.

    Raises:
        StorytellerError: a file cannot be read or is not UTF-8, or there is no sentence in any.
    """
    found: dict[str, tuple[EventExample, str]] = {}
    for path in paths:
        text = read_text(path)
        for start, end in sentence_places(text):
            # A sentence may be wrapped over lines; annotators and models see it on one.
            sentence = " ".join(text[start:end].split())
            example = EventExample(
                id=str(uuid5(NAMESPACE_OID, sentence)),
                text=sentence,
                register=register,
                event_kinds=[],
                entities=[],
                kinds_annotated=False,
            )
            found.setdefault(sentence, (example, f"{path}:{start}-{end}"))
    if not found:
        raise StorytellerError(f"{', '.join(map(str, paths))}: no sentences; a text is expected")
    return list(found.values())


def suggest(
    models: EngineEvents, given: Sequence[tuple[EventExample, str]], advance: Callable[[], object] = lambda: None
) -> list[Suggestion]:
    """Runs the models on every sentence at its own length.

    Raises:
        StorytellerError: the models refuse a sentence, or give no numbers.
    """
    suggestions = []
    for item, (example, place) in zip(models.encode([example for example, _ in given]).items, given, strict=True):
        events, entities = models.run(item, Padding.DYNAMIC)
        if not (np.isfinite(events).all() and np.isfinite(entities).all()):
            raise StorytellerError(f"{models.folder}: NaN or infinity in the models' outputs on {place}")
        source = example.text.encode()
        found = [
            Entity(
                start=span.start,
                end=span.end,
                text=source[span.start : span.end].decode(errors="replace"),
                category=span.category,
                role=EntityRole.SUBJECT,
            )
            for span in decode_spans(entities, item.offsets, item.special)
            if span.start < span.end
        ]
        kinds = list(decode_events(events))
        filled = EventExample(
            id=example.id, text=example.text, register=example.register, event_kinds=kinds, entities=found
        )
        tokens = entities[[not special for special in item.special]]
        suggestions.append(Suggestion(filled, place, uncertainty(events, tokens)))
        advance()
    return suggestions


def write_tasks(path: Path, chosen: Sequence[Suggestion], tool: str) -> None:
    """Writes the tasks; for Label Studio with the pre-annotations as predictions, for doccano as its labels.

    Args:
        tool: `label-studio` or `doccano`.
    """

    def about(one: Suggestion) -> dict[str, Any]:
        return {"place": one.place, "uncertainty": round(one.uncertainty, 4)}

    if tool == "doccano":
        lines = [json.dumps(doccano.record(one.example, about(one)), ensure_ascii=False) for one in chosen]
        write_atomic(path, "".join(f"{line}\n" for line in lines))
        return
    tasks = [label_studio.task(one.example, "predictions", meta=about(one)) for one in chosen]
    write_atomic(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def write_config(path: Path) -> None:
    """Writes Label Studio's labelling configuration for these tasks."""
    labels = "\n".join(f'    <Label value="{category}"/>' for category in EntityCategory)
    choices = "\n".join(f'    <Choice value="{kind}"/>' for kind in EventKind)
    names = {"entities": label_studio.ENTITIES, "kinds": label_studio.KINDS, "text": label_studio.TEXT}
    write_atomic(path, CONFIG.format(labels=labels, choices=choices, **names))
