from __future__ import annotations

import json
from pathlib import Path

from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import metadata, read_model
from storyteller_exporter.report.model_card import MODEL_CARD, CardFile, model_card


def told(file: Path) -> dict[str, str]:
    return metadata(read_model(file))


def card_of(file: Path) -> str:
    return model_card([CardFile(file.name, file.stat().st_size, None, told(file))])


def test_the_card_beside_an_export_says_what_it_was_made_from_and_how_good_it_is(models: Path, trained: Path) -> None:
    card = (models / MODEL_CARD).read_text(encoding="utf-8")
    run = json.loads((trained / "run.json").read_text())
    assert f"{run['val_loss']:.4f}" in card
    assert f"{run['irreducible']['total']:.4f}" in card
    assert f"{run['metrics']['categorical']['thought.awareness']['accuracy']:.1%}" in card
    assert "character.jsonl: 400 examples of 40 cells" in card.replace("\\", "")
    assert "### Known failures" in card
    assert "Licence of the weights: \n" in card
    assert json.loads((models / "verification.json").read_text())["files"][0]["sha256"] in card


def test_it_is_made_from_the_notes_alone(models: Path) -> None:
    file = models / "character_predictor.onnx"
    made = card_of(file)
    kept = (models / MODEL_CARD).read_text(encoding="utf-8")
    hash = json.loads((models / "verification.json").read_text())["files"][0]["sha256"]
    assert made.replace("SHA-256 | unknown", f"SHA-256 | {hash}") == kept


def test_without_data_the_scores_are_the_checkpoint_s_and_failures_are_not_known(exported: Path) -> None:
    card = card_of(exported)
    assert "by the checkpoint" in card
    assert "1.6804" in card
    assert "Not known: no data was at hand" in card


def test_the_cut_is_the_file_s_own(exported: Path, exported_aligned: Path) -> None:
    assert "at a raw 0.5, a probability of 0.622" in card_of(exported)
    assert "cuts the binary outputs at a probability of 0.5." in card_of(exported_aligned)


def test_rounded_weights_say_whose_scores_they_show(exported_int8: Path) -> None:
    assert "These are of the float32 weights" in card_of(exported_int8)


def test_a_file_without_notes_has_a_card_that_knows_nothing() -> None:
    card = model_card([CardFile("other.onnx", 10, None, {})])
    assert "does not say what it is for" in card
    assert "SHA-256 | unknown" in card


def test_notes_cannot_write_markdown() -> None:
    notes = {metadata_props.INTERFACE: "event", metadata_props.PARAMETERS: "1 |\n# <b>[x](y)"}
    card = model_card([CardFile("event_classifier.onnx", 10, None, notes)])
    assert "\n# <b>" not in card
    assert "\\# \\<b\\>\\[x\\](y)" in card


def test_event_files_have_one_card(event_folder: Path) -> None:
    card = (event_folder / MODEL_CARD).read_text(encoding="utf-8")
    assert "## event_classifier.onnx" in card
    assert "## ner_classifier.onnx" in card
    assert card.count("For the owner") == 1
