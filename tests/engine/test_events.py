"""Rust reads the event classifier folder as this workspace does: the same kinds, the same spans, in bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from storyteller_exporter.events import export_events
from storyteller_schema.events import decode_events
from storyteller_schema.spans import decode_spans
from storyteller_trainer.events.checkpoint import BEST, EventMetadata, save_encoder, save_weights, tokenizer_hash
from storyteller_trainer.events.encoders import load_encoder
from storyteller_trainer.events.encoding import byte_offsets, tokenize
from storyteller_trainer.events.models import Task, build_model
from storyteller_trainer.events.tokenizer import normalised, read_tokenizer
from storyteller_trainer.sample.prose import load_prose
from tiny_encoders import save_tiny_encoder

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
            tokenizer_hash=tokenizer_hash(encoder.tokenizer),
        )
        save_weights(folder / "runs" / task / BEST, model, about)
    export_events(folder / "runs", folder / "event_classifier")
    return folder / "event_classifier"


def sentences() -> list[str]:
    """200 of the hand-written prose, and what stresses offsets: longer than 128 tokens, several bytes a character."""
    prose = [example.text for example in load_prose()]
    assert len(prose) >= 200
    assert sum(not text.isascii() for text in prose) >= 10
    return [*prose, "Zoë " * 100, "🎭 Søren’s naïve façade—軸—cracked… “Élan!”", "  two  blanks\tand a tab ", "!"]


def readings(folder: Path, texts: list[str]) -> list[dict[str, Any]]:
    """By Python: padded to 128 with id 0 and mask 0, one at a time, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    names = ("event_classifier.onnx", "ner_classifier.onnx")
    events, entities = (onnxruntime.InferenceSession(folder / name, options) for name in names)
    found = []
    for text, encoding in zip(texts, tokenize(read_tokenizer(folder / "tokenizer.json"), texts), strict=True):
        count = len(encoding.ids)
        ids, mask = np.zeros((1, 128), dtype=np.int64), np.zeros((1, 128), dtype=np.int64)
        ids[0, :count], mask[0, :count] = encoding.ids, 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        special = [bool(flag) for flag in encoding.special_tokens_mask]
        logits = entities.run(["logits"], inputs)[0][0, :count]
        found.append(
            {
                "kinds": decode_events(events.run(["logits"], inputs)[0][0]),
                "spans": decode_spans(logits, byte_offsets(encoding, text), special),
            }
        )
    return found


@pytest.mark.parametrize("tokenizer", ["modernbert", "deberta-v2", "bert"])
def test_rust_finds_the_same_kinds_and_the_same_bytes(
    engine: Callable[..., list[Any]], exported: Path, tmp_path: Path, tokenizer: str
) -> None:
    folder = shutil.copytree(exported, tmp_path / "event_classifier")
    own = read_tokenizer(save_tiny_encoder(tmp_path / "encoder", tokenizer) / "tokenizer.json")
    (folder / "tokenizer.json").write_text(normalised(own).to_str(), encoding="utf-8")
    texts = sentences()
    expected = readings(folder, texts)
    found = engine("events", folder, lines=(json.dumps(text) for text in texts), cwd=tmp_path)
    for text, ours, theirs in zip(texts, expected, found, strict=True):
        assert theirs["kinds"] == list(ours["kinds"]), text
        by_rust = [(span["start"], span["end"], span["category"]) for span in theirs["spans"]]
        assert by_rust == [(span.start, span.end, span.category) for span in ours["spans"]], text
        confidences = [span["confidence"] for span in theirs["spans"]]
        assert confidences == pytest.approx([span.confidence for span in ours["spans"]], abs=1e-5), text
    spans = [span for reading in expected for span in reading["spans"]]
    assert len({span.category for span in spans}) >= 3, "the random model gives too few spans to compare"
    assert any(span.end - span.start > 0 for span in spans)
    assert len({tuple(reading["kinds"]) for reading in expected}) > 1
