"""The learning curve trains each point from the same weights, and scores what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import bench_learning_curve
import msgspec
import pytest
import torch
from bench_learning_curve import Point
from storyteller_schema.contract.events import EntityCategory
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.training.run import Request, train_classifier
from storyteller_trainer.sample.events.generate import write_examples


def test_a_point_for_each_count_and_the_same_points_again(
    data_file: Path,
    examples: list[EventExample],
    tiny_bert: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    annotated = [EntityCategory.CHARACTER, EntityCategory.COLLECTIVE, EntityCategory.LOCATION]
    imported = [
        msgspec.structs.replace(
            example,
            id=f"imported {example.id}",
            categories=annotated,
            entities=[entity for entity in example.entities if entity.category in annotated],
        )
        for example in examples
    ]
    write_examples(tmp_path / "imported.jsonl", imported[:60])
    write_examples(tmp_path / "held_out.jsonl", imported[60:])
    run = tmp_path / "run"
    request = Request(task=Task.NER, folder=run, encoder=tiny_bert, options={"epochs": 1})
    train_classifier(load_events(data_file), request, torch.device("cpu"))
    files = [str(run), str(data_file), str(tmp_path / "imported.jsonl"), str(tmp_path / "held_out.jsonl")]
    settings = ["--device", "cpu", "--epochs", "1", "--sample", "8", "--repeat", "2"]

    def points(*counts: str) -> list[Point]:
        arguments = [*files, *settings, "--counts", *counts, "--results", str(tmp_path / "points.jsonl")]
        monkeypatch.setattr(sys, "argv", ["bench_learning_curve.py", *arguments])
        bench_learning_curve.main()
        rows = capsys.readouterr().out.splitlines()[1:]
        found = [
            msgspec.json.decode(line, type=Point) for line in (tmp_path / "points.jsonl").read_bytes().splitlines()
        ]
        assert [int(row.split()[0]) for row in rows] == [point.sentences for point in found]
        return found

    some = points("10", "500")
    assert [point.sentences for point in some] == [0, 10, 60]
    assert all(0 <= value <= 1 for point in some for value in (point.persons, point.places, point.prose))
    # What was trained for one point leaves the next alone.
    assert points("10")[0] == some[0]
