"""burn reads the checkpoint of a run as it is, and predicts what PyTorch predicts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rust_engine import EngineError
from safetensors import safe_open
from safetensors.torch import save_file
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_schema.contract.predictions import Prediction, decode_outputs
from storyteller_schema.contract.record import from_json

pytestmark = pytest.mark.burn

#: Largest difference allowed between two runtimes.
TOLERANCE = 1e-5


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_burn_predicts_what_pytorch_predicts(burn: Any, trained: Any, name: str) -> None:
    found = burn("predict", trained.run / name, lines=(json.dumps(row.tolist()) for row in trained.rows()))
    outputs = np.array([line["outputs"] for line in found], dtype=np.float32)
    assert outputs.shape == (500, 42)
    np.testing.assert_allclose(outputs, trained.by_torch(), rtol=0, atol=TOLERANCE)
    for line, row in zip(found, outputs, strict=True):
        assert from_json(Prediction, json.dumps(line["prediction"])) == decode_outputs(row)


def changed(run: Path, target: Path, *, metadata: dict[str, Any] | None = None, **tensors: torch.Tensor | None) -> Path:
    """A copy of a run's best checkpoint with some metadata or tensors replaced, added or (None) left out.

    It has no checksum.
    """
    with safe_open(run / "best.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["storyteller"]) | (metadata or {})
        header.pop("file_sha256", None)
        found = {name: file.get_tensor(name) for name in file.keys()} | tensors  # noqa: SIM118
    kept = {name: tensor for name, tensor in found.items() if tensor is not None}
    save_file(kept, target, {"storyteller": json.dumps(header)})
    return target


def test_a_checkpoint_of_another_contract_is_refused(burn: Any, trained: Any, tmp_path: Path) -> None:
    path = changed(trained.run, tmp_path / "other.safetensors", metadata={"schema_fingerprint": "ab" * 32})
    expected = f"other.safetensors: made for the contract {'ab' * 32}, but this program speaks {fingerprint()}"
    with pytest.raises(EngineError, match=expected):
        burn("predict", path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"trunk.0.bias": None}, r"trunk\.0\.bias"),
        ({"trunk.0.bias": torch.zeros(3)}, r"trunk\.0"),
        ({"trunk.9.bias": torch.zeros(3)}, r"its tensor trunk\.9\.bias belongs to another network"),
        (
            {"trunk.0.bias": torch.full((384,), torch.nan)},
            r"384 of 384 values of trunk\.0\.bias are not finite numbers",
        ),
        ({"trunk.0.bias": torch.zeros(384).bfloat16()}, r"trunk\.0\.bias holds BF16, and the network has F32 there"),
    ],
    ids=["missing", "another shape", "too many", "not finite", "another type"],
)
def test_weights_that_do_not_fit_are_refused(
    burn: Any, trained: Any, tmp_path: Path, tensors: dict[str, Any], message: str
) -> None:
    path = changed(trained.run, tmp_path / "other.safetensors", **tensors)
    with pytest.raises(EngineError, match=f"other\\.safetensors: .*{message}"):
        burn("predict", path)


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_a_checkpoint_whose_content_is_not_what_was_noted_is_refused(
    burn: Any, trained: Any, tmp_path: Path, name: str
) -> None:
    whole = (trained.run / name).read_bytes()
    (noted,) = re.findall(rb'\\"file_sha256\\":\\"([0-9a-f]{64})\\"', whole)
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    loss = whole.replace(b'\\"epoch\\":2', b'\\"epoch\\":3')
    assert loss != whole
    for damaged in (flipped, loss):
        (tmp_path / "damaged.safetensors").write_bytes(damaged)
        expected = f"damaged or changed: the SHA-256 of its content is [0-9a-f]{{64}}, and {noted.decode()} was noted"
        with pytest.raises(EngineError, match=expected):
            burn("predict", tmp_path / "damaged.safetensors")
    spaced = whole.replace(b'\\"file_sha256\\":', b'\\"file_sha256\\": ')
    header = int.from_bytes(whole[:8], "little") + 1
    (tmp_path / "spaced.safetensors").write_bytes(header.to_bytes(8, "little") + spaced[8:])
    with pytest.raises(EngineError, match="its checksum does not stand where the trainer writes it"):
        burn("predict", tmp_path / "spaced.safetensors")


def test_a_checkpoint_of_an_earlier_version_is_read_without_a_checksum(burn: Any, trained: Any, tmp_path: Path) -> None:
    path = changed(trained.run, tmp_path / "first.safetensors", metadata={"sha256": "ab" * 32})
    row = json.dumps(trained.rows()[0].tolist())
    assert burn("predict", path, lines=[row]) == burn("predict", trained.run / "best.safetensors", lines=[row])


def test_what_is_no_checkpoint_is_a_message(burn: Any, trained: Any, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere\.safetensors: No such file"):
        burn("predict", "nowhere.safetensors")
    save_file({"trunk.0.bias": torch.zeros(384)}, tmp_path / "plain.safetensors")
    with pytest.raises(EngineError, match=r"plain\.safetensors: a safetensors file, but not a checkpoint"):
        burn("predict", tmp_path / "plain.safetensors")
    whole = (trained.run / "best.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineError, match=r"cut\.safetensors: "):
        burn("predict", tmp_path / "cut.safetensors")


def test_another_number_of_features_is_an_error(burn: Any, trained: Any) -> None:
    with pytest.raises(EngineError, match="expected 453 features, got 452"):
        burn("predict", trained.run / "best.safetensors", lines=[json.dumps([0.0] * 452)])


def test_the_bench_measures(burn: Any, trained: Any) -> None:
    [measured] = burn("bench", trained.run / "best.safetensors", "20000")
    for name in ("single", "shared_by_two"):
        assert measured[name]["predictions"] == 20_000
        assert 0 < measured[name]["p50_us"] <= measured[name]["p99_us"]
    # 4 MiB over 40,000 predictions is 100 bytes each: less than any tensor that could have been forgotten.
    assert measured["resident_after_kib"] - measured["resident_before_kib"] < 4096
