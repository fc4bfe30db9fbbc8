"""Model cards: what a file is for, what it was made from, how good it is, and where it fails; from its notes alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from storyteller_schema.contract.onnx import CHARACTER, EVENT, JOINT, NER

from storyteller_exporter.character import file_metadata as character
from storyteller_exporter.events import file_metadata as events
from storyteller_exporter.onnx import metadata_props

#: The name of the card beside the files that it is about.
MODEL_CARD = "MODEL_CARD.md"

_PURPOSE = {
    CHARACTER.name: "Predicts what a character of the Storyteller engine does, says, thinks and feels next, from 453 "
    "numbers about the character, the scene and the player's event. It replaces a call of a large language model.",
    EVENT.name: "Finds which of eight kinds of event a sentence of a Storyteller session tells of.",
    NER.name: "Finds the entities that a sentence of a Storyteller session names, and their categories.",
    JOINT.name: "Finds the kinds of event and the entities of a sentence of a Storyteller session.",
}
_NOT_FOR = {
    CHARACTER.name: "Not for judging real people: the inputs describe characters that a story made up.",
    EVENT.name: "Not for text other than short English sentences of a story.",
    NER.name: "Not for text other than short English sentences of a story.",
    JOINT.name: "Not for text other than short English sentences of a story.",
}


class CardFile(NamedTuple):
    """A file that a card is about."""

    name: str
    bytes: int
    sha256: str | None
    #: Its key-value notes.
    metadata: Mapping[str, str]


def model_card(files: Sequence[CardFile]) -> str:
    """The card of files that lie in one folder, in Markdown. What a file does not say of itself is said to be unknown.

    The same files give the same bytes.
    """
    lines = ["# Model card", ""]
    for file in files:
        kind = file.metadata.get(metadata_props.INTERFACE, "")
        lines += [f"## {file.name}", "", _PURPOSE.get(kind, "The file does not say what it is for."), ""]
        lines += [_NOT_FOR[kind], ""] if kind in _NOT_FOR else []
        lines += [*_facts(file), ""]
        lines += list(_character(file.metadata) if kind == CHARACTER.name else _events(file.metadata))
    lines += [
        "## For the owner to fill in",
        "",
        "- Licence of the weights: ",
        "- Licence and origin of the training data: ",
        "- Contact: ",
        "",
    ]
    return "\n".join(lines)


def _facts(file: CardFile) -> Iterator[str]:
    told = file.metadata
    yield "| | |"
    yield "|---|---|"
    yield f"| size | {file.bytes:,} bytes |"
    yield f"| SHA-256 | {file.sha256 or 'unknown'} |"
    for name, key in (
        ("parameters", metadata_props.PARAMETERS),
        ("precision", metadata_props.PRECISION),
        ("contract", metadata_props.FINGERPRINT),
        ("data (SHA-256)", metadata_props.DATA_HASH),
        ("best epoch", character.EPOCH),
        ("encoder", f"{metadata_props.PREFIX}encoder"),
    ):
        if told.get(key):
            yield f"| {name} | {_plain(told[key])} |"
    versions = _json(told, metadata_props.VERSIONS)
    if versions:
        yield f"| exported with | {_plain(', '.join(f'{name} {value}' for name, value in versions.items()))} |"


def _character(told: Mapping[str, str]) -> Iterator[str]:
    data, scores = _json(told, character.DATA), _json(told, character.SCORES)
    yield "### Data"
    yield ""
    if data:
        files = ", ".join(map(_plain, data["files"]))
        yield f"{files}: {data['examples']:,} examples of {data['cells']:,} cells, {data['trained_on']:,} trained on."
    else:
        yield "The file does not say what it was trained on, but for the hash."
    recipe = _json(told, character.RECIPE)
    if recipe:
        yield ""
        yield f"Recipe: {_plain(', '.join(f'{name} {value}' for name, value in sorted(recipe.items())))}."
    yield ""
    yield "### Scores"
    yield ""
    if not scores:
        yield "The file says nothing of its scores."
    else:
        rounded = told.get(metadata_props.PRECISION) == metadata_props.INT8
        note = " These are of the float32 weights; what rounding changed is in `verification.json`." if rounded else ""
        yield f"Judged on {_plain(scores['judged_on'])}.{note}"
        yield ""
        yield from _losses(scores.get("losses", {}))
        yield from _accuracies(scores.get("accuracy", {}))
    yield "### Known failures"
    yield ""
    weak = json.loads(told.get(character.WEAK_SLICES, "null"))
    if weak is None:
        yield "Not known: no data was at hand when the file was exported."
    elif not weak:
        yield "No slice (archetype, dynamic, profile, event, register, scene) is clearly worse than the rest."
    else:
        yield "Slices in which what follows from the input is read right less often than elsewhere:"
        yield ""
        for one in weak:
            yield (
                f"- {_plain(one['slice'])}: {one['field']} {one['accuracy']:.1%}, of all {one['of_all']:.1%} "
                f"({one['examples']:,} examples)"
            )
    yield ""
    yield "### Limits"
    yield ""
    aligned = character.is_aligned(told)
    trained = "a raw 0.5, a probability of 0.622, and not at the 0.5 they were trained for"
    yield f"- The engine cuts the binary outputs at {'a probability of 0.5' if aligned else trained}."
    yield "- Action, context, speech and register are drawn at random in the training data: no model can often be right"
    yield "- `action.target_index` is not trained and not used."
    yield "- Histories, and relations beyond the first, are empty in data of the engine's generator: untrained inputs."
    yield "- Scores are of cells that were held out from the same generator; how it does on play is not known."
    yield ""


def _losses(losses: Mapping[str, Any]) -> Iterator[str]:
    if not losses:
        return
    yield "| loss | value | 95 % interval | irreducible |"
    yield "|---|---|---|---|"
    for name, entry in losses.items():
        floor = "" if entry.get("irreducible") is None else f"{entry['irreducible']:.4f}"
        yield f"| {name} | {entry['value']:.4f} | {_reach(entry, '.4f')} | {floor} |"
    yield ""


def _accuracies(accuracy: Mapping[str, Any]) -> Iterator[str]:
    if not accuracy:
        return
    yield "| accuracy, as the engine reads | value | 95 % interval | at even odds | at best |"
    yield "|---|---|---|---|---|"
    for name, entry in accuracy.items():
        even, best = ("" if entry.get(key) is None else f"{entry[key]:.1%}" for key in ("at_even_odds", "ceiling"))
        yield f"| {name} | {entry['value']:.1%} | {_reach(entry, '.1%')} | {even} | {best} |"
    yield ""


def _events(told: Mapping[str, str]) -> Iterator[str]:
    scores = _json(told, events.SCORES)
    yield "### Scores"
    yield ""
    if scores:
        yield "On the validation part of the training data, which chose the epoch:"
        yield ""
        for name, value in scores.items():
            yield f"- {_plain(name)}: {value:.4f}"
    else:
        yield "The file says nothing of its scores."
    yield ""
    yield "### Limits"
    yield ""
    yield "- Trained on sentences from templates: scores on these say little of free prose, on which it does worse."
    yield "  `evaluate-classifier --prose` measures it."
    yield "- Sentences are cut after 128 tokens."
    yield "- English only."
    yield ""


def _reach(entry: Mapping[str, Any], form: str) -> str:
    low, high = entry.get("low"), entry.get("high")
    return "" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def _json(told: Mapping[str, str], key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told.get(key, "{}"))
    return found


def _plain(text: object) -> str:
    """Text from a file's notes, which may come from anywhere, as Markdown that is nothing but text."""
    return "".join(f"\\{each}" if each in "\\|`*_[]<>#" else " " if each in "\r\n" else each for each in str(text))
