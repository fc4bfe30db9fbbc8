"""The choice of the device, on a machine that has any set of them."""

from __future__ import annotations

import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs.device import choose_device, describe_device, subnormals_as_zero


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine that has exactly the devices named by the parameter."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in request.param)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in request.param)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 if "cuda" in request.param else 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Test GPU")


@pytest.mark.parametrize(
    ("machine", "expected"),
    [(("mps", "cuda"), "mps"), (("cuda",), "cuda"), ((), "cpu")],
    indirect=["machine"],
)
def test_the_first_of_mps_cuda_cpu_is_taken(machine: None, expected: str) -> None:
    assert choose_device().type == expected


@pytest.mark.parametrize("machine", [("cuda",)], indirect=True)
@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_device_can_be_named(machine: None, name: str) -> None:
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("machine", [()], indirect=True)
@pytest.mark.parametrize("name", ["mps", "cuda", "cuda:0", "tpu", "", "meta"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(machine: None, name: str) -> None:
    with pytest.raises(StorytellerError, match=f"device '{name}' is not available; this machine has cpu"):
        choose_device(name)


@pytest.mark.parametrize("machine", [("cuda",)], indirect=True)
def test_a_cuda_number_beyond_the_last_is_refused(machine: None) -> None:
    with pytest.raises(StorytellerError, match="'cuda:2' is not available; CUDA devices are numbered from 0 to 1"):
        choose_device("cuda:2")


@pytest.mark.parametrize("machine", [("cuda", "mps")], indirect=True)
def test_the_notice_is_one_line_that_names_the_device(machine: None) -> None:
    assert describe_device(torch.device("cuda")) == "Training on cuda (Test GPU)"
    assert describe_device(torch.device("mps")) == "Training on mps"
    assert describe_device(torch.device("cpu")) == "Training on cpu"


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor has no such mode")
def test_subnormal_numbers_are_zero_inside_and_numbers_again_after() -> None:
    smallest = torch.tensor(torch.finfo(torch.float32).tiny)
    with subnormals_as_zero():
        assert float(smallest / 2) == 0
    assert float(smallest / 2) > 0
