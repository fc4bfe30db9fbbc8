"""The three classifiers: shapes, padding, and what the joint one shares with the other two."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from storyteller_trainer.events.model.classifiers import JointClassifier, Task, build_model, masked_mean, named_logits
from storyteller_trainer.events.model.encoders import load_encoder
from tiny_encoders import FAMILIES

IDS = torch.tensor([[2, 9, 8, 7, 3, 0, 0], [2, 5, 6, 7, 8, 9, 3]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]])


def test_the_mean_leaves_padding_out() -> None:
    hidden = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert masked_mean(hidden, mask).tolist() == [[1.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_have_the_shapes_of_the_contract(tiny_folders: dict[str, Path], family: str) -> None:
    for task in Task:
        model = build_model(task, load_encoder(str(tiny_folders[family])).model).eval()
        outputs = model(IDS, MASK)
        if task is Task.JOINT:
            assert isinstance(outputs, dict)
            assert {name: tuple(logits.shape) for name, logits in outputs.items()} == {
                "event_logits": (2, 8),
                "ner_logits": (2, 7, 15),
            }
        else:
            assert tuple(outputs.shape) == ((2, 8) if task is Task.EVENT else (2, 7, 15))
        assert named_logits(model, IDS, MASK).keys() == {"event", "ner"} & (
            {"event", "ner"} if task is Task.JOINT else {task.value}
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_change_the_logits(tiny_folders: dict[str, Path], family: str) -> None:
    model = build_model(Task.JOINT, load_encoder(str(tiny_folders[family])).model).eval()
    with torch.no_grad():
        padded = named_logits(model, IDS[:1], MASK[:1])
        plain = named_logits(model, IDS[:1, :5], MASK[:1, :5])
    torch.testing.assert_close(padded["event"], plain["event"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(padded["ner"][:, :5], plain["ner"], rtol=1e-4, atol=1e-5)


def test_no_weight_is_idle(tiny_folders: dict[str, Path]) -> None:
    for family in FAMILIES:
        model = build_model(Task.JOINT, load_encoder(str(tiny_folders[family])).model)
        outputs = named_logits(model, IDS, MASK)
        torch.autograd.backward(outputs["event"].sum() + outputs["ner"].square().sum())
        assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_the_joint_model_is_the_other_two_on_one_encoder(tiny_bert: str) -> None:
    joint = build_model(Task.JOINT, load_encoder(tiny_bert).model).eval()
    assert isinstance(joint, JointClassifier)
    with torch.no_grad():
        both = named_logits(joint, IDS, MASK)
        for task in (Task.EVENT, Task.NER):
            single = build_model(task, load_encoder(tiny_bert).model).eval()
            single.load_state_dict({name: joint.state_dict()[name] for name in single.state_dict()})
            torch.testing.assert_close(named_logits(single, IDS, MASK)[task.value], both[task.value])
