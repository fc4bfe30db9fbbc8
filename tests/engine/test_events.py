"""Rust reads the event classifier folder as this workspace does: the same kinds, the same spans, in bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest
import torch
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding
from storyteller_exporter.events.file_metadata import TOKENIZER, TOKENIZER_HASH
from storyteller_exporter.export.events import export_events
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.model.checkpoint import EventMetadata, save_encoder, save_weights, tokenizer_hash
from storyteller_trainer.events.model.classifiers import Task, build_model
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.model.tokenizer import composed, normalised, read_tokenizer
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.sample.events.prose import load_prose
from tiny_encoders import save_tiny_encoder
from tokenizers import Tokenizer

pytestmark = pytest.mark.engine

FAMILY = "bert"
#: Enough for the tokenizer of every tiny encoder, so that one export serves them all: its weights are random anyway.
VOCABULARY = 400


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as `export-event-classifier` writes it, of a tiny encoder with random weights."""
    folder = tmp_path_factory.mktemp("events")
    encoder_folder = save_tiny_encoder(folder / "encoder", FAMILY)
    for task in (Task.EVENT, Task.NER):
        encoder = load_encoder(str(encoder_folder))
        encoder.model.resize_token_embeddings(VOCABULARY, mean_resizing=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            model = build_model(task, encoder.model)
            for parameter in model.parameters():  # the usual small weights would give every token the same label
                parameter.data += torch.randn_like(parameter) * 0.2
        save_encoder(folder / "runs" / task, encoder)
        about = EventMetadata(
            task=task,
            encoder=FAMILY,
            family=encoder.family,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            epoch=1,
            validation={},
            data_hash="0" * 64,
            seed=0,
            split=Strategy.RANDOM,
            tokenizer_hash=tokenizer_hash(encoder.tokenizer),
        )
        save_weights(folder / "runs" / task / BEST, model, about)
    export_events(folder / "runs", folder / "event_classifier")
    return folder / "event_classifier"


def examples() -> list[EventExample]:
    """The hand-written prose, and what stresses offsets: more than 128 tokens, several bytes a character."""
    prose = load_prose()
    assert len(prose) >= 200
    assert sum(not example.text.isascii() for example in prose) >= 10
    hard = ["Zoë " * 100, "🎭 Søren’s naïve façade—軸—cracked… “Élan!”", "  two  blanks\tand a tab ", "!"]
    marks = [
        "Zoe\u0308 and E\u0301mile\u0301 \u041a\u0438\u0438\u0306 o\u0302\u0301 Mara\ufe0f",
        "\u0e01\u0e35\u0e48 x\u0301 \u304b\u3099",
    ]
    return [*prose, *(msgspec.structs.replace(prose[0], text=text, entities=[]) for text in [*hard, *marks])]


def with_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Gives a copied folder another tokenizer, and its files the note that it is theirs."""
    (folder / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    for path in folder.glob("*.onnx"):
        model = onnx.load(str(path))
        for note in model.metadata_props:
            if note.key == TOKENIZER_HASH:
                note.value = tokenizer_hash(tokenizer)
        onnx.save(model, str(path))


@pytest.mark.parametrize("tokenizer", ["modernbert", "deberta-v2", "bert"])
def test_rust_finds_the_same_kinds_and_the_same_bytes(
    engine: Callable[..., list[Any]], exported: Path, tmp_path: Path, tokenizer: str
) -> None:
    folder = shutil.copytree(exported, tmp_path / "event_classifier")
    own = read_tokenizer(save_tiny_encoder(tmp_path / "encoder", tokenizer) / "tokenizer.json")
    with_tokenizer(folder, composed(normalised(own)))
    data = examples()
    models = EngineEvents(folder)
    expected = [models.predict(item, Padding.FIXED) for item in models.encode(data).items]
    found = engine("events", folder, lines=(json.dumps(example.text) for example in data), cwd=tmp_path)
    for example, ours, theirs in zip(data, expected, found, strict=True):
        assert theirs["kinds"] == list(ours.kinds), example.text
        by_rust = [(span["start"], span["end"], span["category"]) for span in theirs["spans"]]
        assert by_rust == [(span.start, span.end, span.category) for span in ours.spans], example.text
        confidences = [span["confidence"] for span in theirs["spans"]]
        assert confidences == pytest.approx([span.confidence for span in ours.spans], abs=1e-5), example.text
    spans = [span for prediction in expected for span in prediction.spans]
    assert len({span.category for span in spans}) >= 3, "the random model gives too few spans to compare"
    assert len({prediction.kinds for prediction in expected}) > 1, "the random model says the same of every sentence"
