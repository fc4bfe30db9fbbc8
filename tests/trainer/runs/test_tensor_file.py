"""Checkpoint files: what is written comes back, and what cannot be trusted is refused in words."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import save_file
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_trainer.character.model.checkpoint import (
    STATE_PREFIX,
    CheckpointMetadata,
    load_checkpoint,
    save_checkpoint,
)
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.runs.tensor_file import package_versions, read_metadata, read_tensors, save_tensors


class Note(msgspec.Struct):
    text: str
    number: float


def metadata(schema_fingerprint: str | None = None) -> CheckpointMetadata:
    return CheckpointMetadata(
        schema_fingerprint=schema_fingerprint or fingerprint(),
        epoch=7,
        val_loss=1.7,
        head_losses={"action": 3.0, "speech": 1.0, "thought": 0.5, "emotion": 0.1},
        data_hash="ab" * 32,
        parameters=407_210,
        config={"epochs": 100},
        versions=package_versions(),
    )


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(4.0)}
    save_tensors(tmp_path / "new" / "a.safetensors", tensors, Note("häufig", 0.1))
    found, note = read_tensors(tmp_path / "new" / "a.safetensors", Note)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert note == Note("häufig", 0.1)
    assert read_metadata(tmp_path / "new" / "a.safetensors", Note) == note


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_tensors(tmp_path / name, {"y": torch.ones(2), "x": torch.zeros(3)}, Note("n", 1.0))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_transposed_tensor_is_written_as_it_reads(tmp_path: Path) -> None:
    tensor = torch.arange(6.0).reshape(2, 3).T
    save_tensors(tmp_path / "a", {"t": tensor}, Note("", 0))
    assert torch.equal(read_tensors(tmp_path / "a", Note)[0]["t"], tensor)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match=r"absent\.safetensors: no such checkpoint file; train first"):
        read_metadata(tmp_path / "absent.safetensors", Note)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(StorytellerError, match="not a readable safetensors file"):
        read_tensors(path, Note)


def test_a_file_cut_in_half_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.ones(100)}, Note("n", 1.0))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorytellerError, match="not a readable safetensors file"):
        read_tensors(path, Note)


def test_no_flipped_bit_passes_for_content(tmp_path: Path) -> None:
    """Of the whole file: the length, the header with the metadata and the checksum, the values."""
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.arange(3.0), "n": torch.tensor([1, 2])}, Note("note", 0.5))
    sound = path.read_bytes()
    tensors, note = read_tensors(path, Note)
    passed = 0
    for position in range(len(sound)):
        for bit in range(8):
            path.write_bytes(sound[:position] + bytes([sound[position] ^ 1 << bit]) + sound[position + 1 :])
            try:
                found, told = read_tensors(path, Note)
            except StorytellerError:
                continue
            passed += 1
            assert told == note
            assert found.keys() == tensors.keys()
            assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert passed <= 8 * len("file_sha256"), "the key of the checksum, at most"


def test_a_flipped_bit_is_told_with_both_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.ones(100)}, Note("n", 1.0))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        StorytellerError, match=r"a\.safetensors: damaged or changed .* is \w{64}, and \w{64} was noted"
    ):
        read_tensors(path, Note)
    assert read_metadata(path, Note) == Note("n", 1.0), "without the tensors there is nothing to compare with"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"n": torch.ones(2, dtype=torch.int64), "x": torch.tensor([1.0, value, value])}, Note("n", 1.0))
    with pytest.raises(StorytellerError, match=r"a\.safetensors: 2 of 3 values of x are not finite numbers; train"):
        read_tensors(path, Note)


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place(tmp_path: Path) -> None:
    """As any language can repeat it."""
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.arange(3.0)}, Note("0" * 64, 1e23))
    content = path.read_bytes()
    (noted,) = re.findall(rb'\\"file_sha256\\":\\"([0-9a-f]{64})\\"', content)
    assert hashlib.sha256(content.replace(noted, b"0" * 64)).hexdigest() == noted.decode()


@pytest.mark.parametrize("noted", ["", 5, [], "x" * 64, "0" * 64, "text"])
def test_what_is_no_checksum_is_refused(tmp_path: Path, noted: object) -> None:
    path = tmp_path / "a.safetensors"
    note = {"text": "n", "number": 1.0, "file_sha256": noted}
    save_file({"x": torch.ones(1)}, path, {"storyteller": json.dumps(note)})
    with pytest.raises(StorytellerError, match="damaged or changed since it was written"):
        read_tensors(path, Note)


@pytest.mark.parametrize("note", ["", ',"sha256":"' + "ab" * 32 + '"'], ids=["none", "the first form"])
def test_a_file_of_an_earlier_version_is_read_without_a_checksum(tmp_path: Path, note: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.ones(1)}, path, {"storyteller": '{"text":"n","number":1.0' + note + "}"})
    assert read_tensors(path, Note) == ({"x": torch.ones(1)}, Note("n", 1.0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int32])
def test_weights_of_another_type_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = CharacterModel().state_dict()
    spoilt = weights | {"trunk.0.bias": weights["trunk.0.bias"].to(dtype)}
    save_tensors(tmp_path / BEST, spoilt, metadata())
    told = f"trunk.0.bias holds {str(dtype).removeprefix('torch.')}, and the network has float32 there"
    with pytest.raises(StorytellerError, match=told):
        load_checkpoint(tmp_path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "a", {"format": "pt"})
    with pytest.raises(StorytellerError, match="not a checkpoint of this trainer"):
        read_metadata(tmp_path / "a", Note)


def test_metadata_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a", {"x": torch.ones(1)}, Note("n", 1.0))
    with pytest.raises(StorytellerError, match=r"another kind or version.*schema_fingerprint"):
        read_metadata(tmp_path / "a", CheckpointMetadata)


def test_versions_name_what_made_a_checkpoint() -> None:
    assert package_versions("safetensors").keys() == {"python", "storyteller-trainer", "torch", "numpy", "safetensors"}


def test_a_run_folder_gives_its_best_model_ready_to_use(tmp_path: Path) -> None:
    model = CharacterModel()
    save_checkpoint(tmp_path / BEST, model, metadata())
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.metadata == metadata()
    assert checkpoint.path == tmp_path / BEST
    assert not checkpoint.model.training
    features = torch.randn(3, 453)
    for name, raw in model.eval()(features).items():
        assert torch.equal(raw, checkpoint.model(features)[name])


def test_a_file_with_optimizer_state_loads_too(tmp_path: Path) -> None:
    model = CharacterModel()
    extra = {f"{STATE_PREFIX}trunk.0.weight.step": torch.tensor(3.0)}
    save_tensors(tmp_path / "last.safetensors", model.state_dict() | extra, metadata())
    assert load_checkpoint(tmp_path / "last.safetensors").metadata.epoch == 7


def test_another_contract_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / BEST, CharacterModel(), metadata("0" * 64))
    with pytest.raises(StorytellerError, match=f"{'0' * 64}.*{fingerprint()}"):
        load_checkpoint(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / BEST, {"trunk.0.weight": torch.ones(2, 2)}, metadata())
    with pytest.raises(StorytellerError, match="do not fit the network"):
        load_checkpoint(tmp_path)


def test_the_header_is_plain_json_for_other_tools(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / BEST, CharacterModel(), metadata())
    content = (tmp_path / BEST).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["storyteller"])["epoch"] == 7
