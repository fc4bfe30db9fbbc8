"""Event models made by hand: every word of a small vocabulary has its own logits, so that a test decides what is found.

The event logits of a sentence are a bias and the sum over its words, padding left out; the entity logits of a token are
its word's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from storyteller_exporter.events.file_metadata import TOKENIZER_HASH, decoding_rules
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import write_model
from storyteller_schema.contract.events import BIO_LABELS, EntityCategory, EntityRole, EventKind, Register
from storyteller_schema.contract.onnx import EVENT, JOINT, NER, OPSET, Interface
from storyteller_trainer.events.data.example import Entity, EventExample
from storyteller_trainer.events.model.checkpoint import tokenizer_hash
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.sample.events.generate import write_examples
from tokenizers import Tokenizer, models, pre_tokenizers, processors

#: Word to the BIO label that it is given; other words are outside.
LABELS = {
    "Zoë": "B-CHARACTER",
    "Søren": "B-CHARACTER",
    "crown": "B-OBJECT",
    "old": "B-LOCATION",
    "mill": "I-LOCATION",
    "stray": "I-ABSTRACT",
}
#: Word to the event kind that it stands for.
KINDS = {
    "gives": EventKind.ACTION_OCCURRENCE,
    "walks": EventKind.SPATIAL_CHANGE,
    "says": EventKind.SPEECH_ACT,
    "weeps": EventKind.EMOTIONAL_EXPRESSION,
}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LABELS, *KINDS, "doubts", "poison"]
#: Its one logit makes up for the bias, so that the sum is 0 and the probability exactly 0.5.
UNDECIDED = "doubts"
BIAS = -2.0

#: What a test does to the tables [word, kind] and [word, label] before they become files.
Edit = Callable[[np.ndarray, np.ndarray], object]


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def tables() -> tuple[np.ndarray, np.ndarray]:
    """Logits of every word: [word, kind] and [word, label]."""
    kinds = np.zeros((len(VOCABULARY), len(EventKind)), np.float32)
    for word, kind in KINDS.items():
        kinds[VOCABULARY.index(word), kind.position] = 4.0
    kinds[VOCABULARY.index(UNDECIDED)] = -BIAS
    labels = np.zeros((len(VOCABULARY), len(BIO_LABELS)), np.float32)
    labels[:, 0] = 1.0
    for word, label in LABELS.items():
        labels[VOCABULARY.index(word), BIO_LABELS.index(label)] = 3.0
    return kinds, labels


def make_graph(interface: Interface, edit: Edit | None = None) -> onnx.ModelProto:
    kinds, labels = tables()
    if edit is not None:
        edit(kinds, labels)
    nodes, stored = [], []
    for output in interface.outputs:
        if output.axes[-1] == len(BIO_LABELS):
            stored.append(numpy_helper.from_array(labels, "labels"))
            nodes.append(helper.make_node("Gather", ["labels", "input_ids"], [output.name]))
            continue
        stored += [
            numpy_helper.from_array(kinds, "kinds"),
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "sequence"),
            numpy_helper.from_array(np.array([BIAS], np.float32), "bias"),
        ]
        nodes += [
            helper.make_node("Gather", ["kinds", "input_ids"], ["of_words"]),
            helper.make_node("Cast", ["attention_mask"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["floats", "last"], ["mask"]),
            helper.make_node("Mul", ["of_words", "mask"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "sequence"], ["sum"], keepdims=0),
            helper.make_node("Add", ["sum", "bias"], [output.name]),
        ]
    inputs = [helper.make_tensor_value_info(t.name, TensorProto.INT64, t.axes) for t in interface.inputs]
    outputs = [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.axes) for t in interface.outputs]
    graph = helper.make_graph(nodes, "words", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def write_file(path: Path, interface: Interface, edit: Edit | None = None, /, **changed: str) -> None:
    """Writes a model as the exporter would; `changed` replaces some of its notes."""
    rules = decoding_rules(Task(interface.name), 128)
    metadata = metadata_props.common(
        interface, parameters=0, precision=metadata_props.FLOAT32, data_hash="", decoding=rules
    )
    metadata |= {TOKENIZER_HASH: tokenizer_hash(make_tokenizer())}
    write_model(
        make_graph(interface, edit), path, metadata | {f"{metadata_props.PREFIX}{key}": v for key, v in changed.items()}
    )


def write_folder(folder: Path, *interfaces: Interface, edit: Edit | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(make_tokenizer().to_str(pretty=True), encoding="utf-8")
    for interface in interfaces:
        write_file(folder / interface.file_name, interface, edit)
    return folder


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two files that the engine loads, shared: read only."""
    return write_folder(tmp_path_factory.mktemp("words") / "event_classifier", EVENT, NER)


@pytest.fixture(scope="session")
def joint_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as one file, shared: read only."""
    return write_folder(tmp_path_factory.mktemp("words") / "joint_classifier", JOINT)


@pytest.fixture
def own_words(words: Path, tmp_path: Path) -> Path:
    """A copy of `words` for a test to spoil."""
    return shutil.copytree(words, tmp_path / "own")


@pytest.fixture
def spoilt(own_words: Path) -> Callable[..., Path]:
    """The folder with one of its files written anew: other tables, or other notes."""

    def spoil(interface: Interface, edit: Edit | None = None, /, **changed: str) -> Path:
        write_file(own_words / interface.file_name, interface, edit, **changed)
        return own_words

    return spoil


def annotate(text: str, *entities: tuple[str, EntityCategory], kinds: list[EventKind], name: str = "1") -> EventExample:
    """An example whose entities are the first place of each of these words; offsets in bytes."""
    found = []
    for words, category in entities:
        start = len(text[: text.index(words)].encode())
        end = start + len(words.encode())
        found.append(Entity(start=start, end=end, text=words, category=category, role=EntityRole.SUBJECT))
    found.sort(key=lambda entity: entity.start)
    return EventExample(id=name, text=text, register=Register.PLAYER, event_kinds=kinds, entities=found)


@pytest.fixture(scope="session")
def make_example() -> Callable[..., EventExample]:
    return annotate


@pytest.fixture(scope="session")
def sentences() -> list[EventExample]:
    """Three sentences: all right; another kind and wrong borders; nothing found."""
    action, speech = EventKind.ACTION_OCCURRENCE, EventKind.SPEECH_ACT
    zoe, soren = ("Zoë", EntityCategory.CHARACTER), ("Søren", EntityCategory.CHARACTER)
    return [
        annotate("Zoë gives crown", zoe, ("crown", EntityCategory.OBJECT), kinds=[action], name="right"),
        annotate("é Søren walks old mill", soren, ("mill", EntityCategory.LOCATION), kinds=[action], name="half"),
        annotate("nobody is here", ("nobody", EntityCategory.ABSTRACT), kinds=[speech], name="missed"),
    ]


@pytest.fixture(scope="session")
def sentence_file(sentences: list[EventExample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "three.jsonl"
    write_examples(path, sentences)
    return path
