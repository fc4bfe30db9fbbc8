"""The file of the split: what a run would train on, for a program that is not this workspace's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.shards import load_shards
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.data.split_file import write_split
from storyteller_trainer.commands.train_character_model import main
from storyteller_trainer.reading.jsonl import sha256


def test_the_file_says_what_a_run_would_do(small_jsonl: Path) -> None:
    data = load_dataset(small_jsonl, None)
    write_split("folder/split.json", data, 0.3, 7)
    told = json.loads(Path("folder/split.json").read_text())
    expected = split_by_cell(data.cells, data.cell_names, 0.3, 7)
    assert told == {
        "files": [{"path": str(small_jsonl.resolve()), "hash": sha256(small_jsonl)}],
        "seed": 7,
        "val_fraction": 0.3,
        "train": expected.train.tolist(),
        "validation": expected.validation.tolist(),
    }


def test_positions_count_through_the_files_in_the_order_that_is_told(small_jsonl: Path, tmp_path: Path) -> None:
    lines = small_jsonl.read_text().splitlines(keepends=True)
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file, part in zip(files, (lines[:100], lines[100:]), strict=True):
        file.write_text("".join(part))
    data = load_shards(files, None)
    made = write_split("split.json", data, 0.2, 42)
    read = [json.loads(line) for file in made.files for line in Path(file.path).read_text().splitlines()]
    assert sorted([*made.train, *made.validation]) == list(range(len(lines)))
    told = np.array([example["features"] for example in read], dtype=np.float32)
    np.testing.assert_array_equal(told, data.features[:])
    train, validation = ({json.dumps(read[at]["cell"]) for at in side} for side in (made.train, made.validation))
    assert not train & validation


def test_data_that_cannot_be_divided_is_a_message_and_no_file(small_jsonl: Path) -> None:
    data = load_dataset(small_jsonl, None)
    with pytest.raises(StorytellerError, match="leaves the validation side without a cell"):
        write_split("split.json", data, 1e-9, 42)
    assert not Path("split.json").exists()


def test_the_option_writes_it_and_trains_nothing(small_jsonl: Path) -> None:
    done = CliRunner().invoke(main, [str(small_jsonl), "--write-split", "split.json", "--seed", "7"])
    assert done.exit_code == 0, done.output
    assert done.stdout == "split.json: 180 examples to train on, 60 held out\n"
    data = load_dataset(small_jsonl, None)
    expected = Path("split.json").read_bytes()
    write_split("again.json", data, 0.2, 7)
    assert Path("again.json").read_bytes() == expected
    assert not Path("artifacts/character").exists()
    done = CliRunner().invoke(main, [str(small_jsonl), "--write-split", "split.json", "--json"])
    assert json.loads(done.stdout) == {"file": "split.json", "train": 180, "validation": 60}
