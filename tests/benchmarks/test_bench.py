"""The benchmarks work, on next to nothing; what they find is not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import bench
import bench_load
import bench_machine
import bench_ours
import bench_recipe
import bench_reference
import bench_report
import bench_scale
import bench_sets
import bench_threads
import msgspec
import pytest
import torch
from bench_log import EventLog, read_events
from bench_machine import machine, versions
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.network import PARAMETERS, CharacterModel
from storyteller_trainer.character.training.recipe import RECIPES, Recipe
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.commands.train_character_model import main as train_character_model
from storyteller_trainer.runs.cpus import Look
from storyteller_trainer.sample.character.writer import write_dataset
from workspace import ROOT


@pytest.fixture
def training_file(tmp_path: Path) -> Path:
    """60 examples from 5 cells."""
    path = tmp_path / "character.jsonl"
    write_dataset(bench_sets.training_plan("shipped", 60), path)
    return path


def test_the_published_recipe_is_the_one_that_ours_is_compared_with() -> None:
    """Same architecture, same loss, same numbers as the preset, though it shares no code with it."""
    theirs, ours = bench_reference.Model().eval(), CharacterModel().eval()
    assert sum(parameter.numel() for parameter in theirs.parameters()) == PARAMETERS
    ours.load_state_dict(theirs.state_dict())
    features, labels = torch.rand(9, 453), torch.rand(9, 42)
    expected = ours(features)
    raw = theirs(features)
    torch.testing.assert_close(raw, torch.cat(list(expected.values()), dim=1))
    weights = torch.tensor(list(Recipe().head_weights.values()))
    loss = bench_reference.loss_of(raw, labels)
    torch.testing.assert_close(loss, head_losses(loss_terms(expected, labels)) @ weights)
    preset = RECIPES["reference"]
    assert (preset.epochs, preset.batch_size, preset.learning_rate, preset.weight_decay, preset.seed) == (
        bench_reference.EPOCHS,
        bench_reference.BATCH_SIZE,
        bench_reference.LEARNING_RATE,
        bench_reference.WEIGHT_DECAY,
        bench_reference.SEED,
    )
    assert (preset.lr_factor, preset.lr_patience, preset.patience, preset.min_delta) == (
        bench_reference.FACTOR,
        bench_reference.SCHEDULE_PATIENCE,
        bench_reference.STOP_PATIENCE,
        bench_reference.MIN_IMPROVEMENT,
    )


def test_the_reference_trains_and_notes_what_happens(tmp_path: Path, training_file: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    with EventLog(tmp_path / "log.jsonl") as log:
        bench_reference.train(training_file, [0, 1, 2], 2, log, weights)
    events = read_events(tmp_path / "log.jsonl")
    assert [event["event"] for event in events] == ["loaded", "first_step", "epoch", "epoch", "end"]
    assert events[-1]["peak_bytes"] > 10_000_000
    assert weights.stat().st_size > 4 * PARAMETERS
    summary = bench.summarise(events, events[0]["time"] - 1, events[-1]["time"], 57)
    assert summary["epochs"] == 2
    assert summary["first_step_s"] > 1
    assert summary["best_val_loss"] == min(loss for _, loss in summary["curve"])


def test_our_command_notes_the_same(tmp_path: Path, training_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "train_step", Trainer.train_step)  # put back what `watch` replaces
    monkeypatch.setattr(Trainer, "run_epoch", Trainer.run_epoch)
    options = ["--epochs", "2", "--output-dir", "run", "--cache-dir", "cache", "--device", "cpu"]
    with EventLog(tmp_path / "log.jsonl") as log:
        bench_ours.watch(log)
        train_character_model([str(training_file), *options], standalone_mode=False)
    events = read_events(tmp_path / "log.jsonl")
    assert [event["event"] for event in events] == ["first_step", "epoch", "epoch", "end"]
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [event["val_loss"] for event in events[1:3]] == [row["validation"]["total"] for row in history]


def test_a_log_without_a_step_is_refused() -> None:
    with pytest.raises(StorytellerError, match="noted no step"):
        bench.summarise([{"event": "end", "time": 1.0}], 0.0, 1.0, 10)


def test_loading_is_measured_in_several_ways(training_file: Path) -> None:
    measured = bench_load.measure(training_file, 1)
    assert list(measured) == ["json.loads", "reference", "parsed", "cold", "warm"]
    assert bench_load.table(measured).row_count == 5


def test_growth_with_the_data_is_a_table(tmp_path: Path, training_file: Path) -> None:
    loaded = bench_scale.load(training_file.parent, tmp_path / "cache")
    assert loaded["examples"] == 60
    side = {"examples_per_s": 200.0, "peak_bytes": 3 * 2**20}
    measured = {"examples": 60, "bytes": 2e6, "cold": loaded, "warm": loaded, "memory": side}
    row = bench_scale.table([measured | {"files": side | {"examples_per_s": 150.0}}]).splitlines()[-1]
    assert row.startswith("| 60 | 2 MB |")
    assert row.endswith("| 200 | 3 MiB | 150 | 3 MiB | 0.75 |")


def test_the_test_set_comes_from_cells_that_are_not_in_the_training_file() -> None:
    plan = bench_sets.training_plan("7", 600)
    unseen = bench_sets.make_unseen_set(plan, 400)
    assert not set(unseen.cells) & set(bench_sets.cell_names(plan))
    assert len(unseen.features) == 400
    assert len(unseen.cells) == 100
    assert unseen.excess(CharacterModel()) > 0


def test_more_unseen_cells_than_there_are() -> None:
    with pytest.raises(StorytellerError, match=r"unseen cells are asked for, but \d+ are left"):
        bench_sets.make_unseen_set(bench_sets.training_plan("7", 100), 10_000_000)


def test_a_descriptor_set_of_no_known_name() -> None:
    with pytest.raises(StorytellerError, match=r'descriptor set "mine": expected "shipped" or a whole number'):
        bench_sets.find_set("mine")


# --- the recipe ---------------------------------------------------------------------------------------------------


def test_the_ingredients_are_all_of_the_difference_between_the_presets() -> None:
    ours, theirs = RECIPES["default"], RECIPES["reference"]
    differ = {field.name for field in fields(Recipe) if getattr(ours, field.name) != getattr(theirs, field.name)}
    named = [name for names in bench_recipe.INGREDIENTS.values() for name in names]
    # Muon's own learning rate says nothing where there is no Muon.
    assert sorted(named) == sorted(differ - {"muon_learning_rate"})


def test_an_ingredient_is_removed_from_the_default_and_added_to_the_reference() -> None:
    made = bench_recipe.recipes(["remove", "add"])
    ours, theirs = RECIPES["default"], RECIPES["reference"]
    assert made["default - averaging"] == ours.with_options(averaging=0.0)
    assert made["reference + augment"] == theirs.with_options(augment=True)
    assert len(made) == 2 + 2 * len(bench_recipe.INGREDIENTS)


def test_what_is_in_neither_preset_is_tried_on_both() -> None:
    made = bench_recipe.recipes(["try"])
    assert made["default + standardize"] == RECIPES["default"].with_options(standardize=True)
    assert made["reference + standardize"] == RECIPES["reference"].with_options(standardize=True)
    assert len(set(map(str, made.values()))) == len(made) == 2 + 2 * len(bench_recipe.TRIED)


def test_a_finished_run_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = bench_recipe.plan_runs(bench_recipe.recipes(["compare"]), ["3"], [1], 60, 1)
    results = [bench_recipe.execute(run) for run in runs]
    assert results == [
        msgspec.structs.replace(bench_recipe.execute(run), seconds=result.seconds)
        for run, result in zip(runs, results, strict=True)
    ]
    output = tmp_path / "results.json"
    output.write_bytes(msgspec.json.encode(results))
    monkeypatch.setattr(bench_recipe, "ProcessPoolExecutor", None)  # nothing may be started
    assert bench_recipe.run_all(runs, output, 1, 1) == results
    text = bench_recipe.tables(results)
    assert f"{results[0].excess:.4f}" in text
    assert "| all | 1 |" in text


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(StorytellerError, match="not the results of this script"):
        bench_recipe.read_results(tmp_path / "results.json")


def _result(name: str, excess: float) -> bench_recipe.Result:
    run = bench_recipe.Run(name=name, descriptors="1", examples=10, test_examples=20, recipe={"seed": 1})
    return bench_recipe.Result(run=run, excess=excess, irreducible=1, val_loss=2, best_epoch=1, epochs=1, seconds=5)


def test_what_hurts_most_when_removed_stands_first() -> None:
    results = [_result("default", 0.2), _result("default - muon", 0.25), _result("default - augment", 0.3)]
    lines = bench_recipe.ablation_table(results, "default", "-")
    assert lines[2] == "| default - augment | 1 | 0.3000 | 0.1000 | +50% | 5 |"
    assert lines[3] == "| default - muon | 1 | 0.2500 | 0.0500 | +25% | 5 |"


# --- the report ---------------------------------------------------------------------------------------------------


def _results() -> dict[str, Any]:
    def side(curve: list[tuple[float, float]], excess: float) -> dict[str, Any]:
        best = min(loss for _, loss in curve)
        return {
            **{"wall_s": curve[-1][0], "first_step_s": 2.0, "warm_first_step_s": 1.0, "epochs": 2, "curve": curve},
            **{"best_val_loss": best, "test_loss": 1.3 + excess, "excess": excess},
            **{"steps_per_s": 10.0, "examples_per_s": 100.0, "peak_bytes": 1e9},
        }

    file = {"export_s": 1.0, "verify_s": 2.0, "verdict": "passed", "bytes": 430_000, "p50_us": 30.0, "p99_us": 40.0}
    data = {"examples": 10, "train_examples": 8, "validation_examples": 2, "test_examples": 5, "test_cells": 2}
    return {
        **{"quick": True, "taken_at": "2026-01-01 12:00 UTC", "commit": "abc", "data": data | {"irreducible": 1.3}},
        **{"machine": machine(), "versions": versions(), "export": {"float32": file, "int8": file}},
        "load": {way: {"wall": wall, "cpu": 1.0} for way, wall in _WALL.items()},
        "reference": side([(5.0, 2.0), (10.0, 1.7)], 0.4),
        "ours": side([(2.0, 1.6), (8.0, 1.5)], 0.1),
    }


_WALL = {"json.loads": 1.0, "reference": 3.0, "cold": 0.5, "warm": 0.01}


def test_the_table_compares() -> None:
    found = {row.name: row for row in bench_report.rows(_results())}
    assert found["time to the reference's best loss"][1:] == ("10 s", "2 s", "5 x")
    assert found["best validation loss after 8.0 s"][1:] == ("2.0000", "1.5000", "")
    assert found["its excess over the irreducible 1.3000"][1:] == ("0.4000", "0.1000", "0.250 of it")
    assert found["load warm (against bare `json.loads` a line)"].ratio == "100 x"
    assert bench_report.terminal_table(_results()).row_count == len(found)


def test_a_loss_that_is_never_reached_is_said_to_be() -> None:
    results = _results()
    results["ours"]["curve"] = [(2.0, 3.0), (8.0, 2.5)]
    found = {row.name: row for row in bench_report.rows(results)}
    assert found["time to the reference's best loss"][1:] == ("10 s", "not reached", "")


def test_the_docs_get_the_table_between_their_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{bench_report.BEGIN}\nformer text\n{bench_report.END}\nafter\n")
    text = bench_report.markdown(_results())
    for _ in range(2):
        bench_report.write_between_markers(page, text)
        written = page.read_text()
        assert written.startswith(f"before\n{bench_report.BEGIN}\n\nA QUICK run")
        assert written.endswith(f"\n{bench_report.END}\nafter\n")
        assert "former text" not in written
    assert "| peak memory | 1,000 MB | 1,000 MB | 1 x |" in text


@pytest.mark.parametrize("text", ["", bench_report.BEGIN, f"{bench_report.END}{bench_report.BEGIN}"])
def test_a_page_without_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(StorytellerError, match="once each"):
        bench_report.write_between_markers(page, "new")
    assert page.read_text() == text


def test_the_page_in_the_docs_has_the_markers() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text.count(bench_report.BEGIN) == text.count(bench_report.END) == 1


def test_a_failing_step_says_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('no such thing'); sys.exit(3)"]
    with pytest.raises(StorytellerError, match=r"exit code 3 of [\s\S]*no such thing"):
        bench._timed(command, accepted=(0,))


def test_writing_the_docs_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="run the benchmark first"):
        bench.main(["--write-docs", "--output", str(tmp_path / "none.json")])


def _round(load: int, **seconds: float | None) -> dict[str, Any]:
    """Of the character model; None is a run that was stopped after 60 s."""
    found: dict[str, Any] = {"task": "character", "load": load, "epochs": 4}
    for way, taken in seconds.items():
        found |= {way: taken or 60.0, f"{way}_threads": 2 if taken else None}
    return found


def test_training_beside_other_work_is_compared_within_a_round() -> None:
    rounds = [
        _round(0, one=4, all=2, automatic=2.2, surprised=2.1),
        _round(0, one=40, all=20, automatic=20, surprised=21),  # a round in which the whole machine was slow
        _round(0, one=4, all=3, automatic=3.6, surprised=3),
        _round(8, one=50, all=None, automatic=55, surprised=None),
    ]
    *_, idle, busy = bench_threads.table(rounds).splitlines()
    assert idle == "| character, 4 epochs | 0 | 4.0 s | 3.0 s | 3.6 s | 2 | 1.10 | 3.0 s |"
    assert busy == "| character, 4 epochs | 8 | 50.0 s | over 60 s | 55.0 s | 2 | 1.10 | over 60 s |"


def test_other_work_ends_with_the_process_that_started_it() -> None:
    """Also where that one is killed, and so cannot end it."""
    start = f"[sys.executable, '-c', {bench_threads.BUSY!r}, str(os.getpid())], stdout=subprocess.DEVNULL"
    code = f"import os, subprocess, sys; print(subprocess.Popen({start}).pid, flush=True); os.kill(os.getpid(), 9)"
    starter = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    pid = int(starter.stdout)
    deadline = time.monotonic() + 60
    while subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout:
        assert time.monotonic() < deadline, "it goes on computing"
        time.sleep(0.05)


@pytest.mark.slow
def test_training_beside_other_work_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "rounds.jsonl"
    few = ["--tasks", "character", "--examples", "60", "--epochs", "1", "--results", str(kept)]
    bench_threads.main([*few, "--loads", "0", "--repeats", "1", "--limit", "120"])
    (measured,) = [json.loads(line) for line in kept.read_text().splitlines()]
    assert measured["one_threads"] == 1
    assert measured["automatic_threads"] in range(1, measured["all_threads"] + 1)
    assert all(measured[way] > 0 for way in bench_threads.WAYS)
    bench_threads.main([*few, "--loads", "1", "--repeats", "1", "--limit", "0.01"])
    shown = capsys.readouterr().out
    assert "| character, 1 epoch | 0 |" in shown, "what was measured before stands in the table, too"
    assert "| character, 1 epoch | 1 | over 0 s | over 0 s | over 0 s | None | 1.00 | over 0 s |" in shown
    with pytest.raises(SystemExit, match=r"exit code \d of .*generate-training-data"):
        bench_threads.main(["--tasks", "character", "--examples", "-5", "--repeats", "1"])


@pytest.mark.parametrize(("free", "variable", "expected"), [(3.8, None, None), (1.2, None, "1"), (1.2, "3", "3")])
def test_both_sides_of_a_comparison_have_the_same_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, free: float, variable: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(bench_machine, "look_at_cpus", lambda: Look(free, 4))
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    bench_machine.fix_threads()
    assert os.environ.get("OMP_NUM_THREADS") == expected
