from __future__ import annotations

import numpy as np
import torch
from storyteller_exporter.character.cases import random_features
from storyteller_exporter.report.importance import field_spans, importance
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.model.network import CharacterModel


def test_the_fields_are_every_input_once() -> None:
    covered = np.zeros(FEATURES.size, int)
    for span in field_spans().values():
        covered[span] += 1
    assert (covered == 1).all()
    assert "tensor[3].variance" in field_spans()
    assert "scene_context.tension" in field_spans()


def test_what_the_network_does_not_look_at_does_not_matter_and_what_it_does_comes_first() -> None:
    features = random_features(300, np.random.default_rng(0))
    tension = FEATURES.span("scene_context.tension")
    features[:, FEATURES.span("history")] = 0
    torch.manual_seed(0)
    model = CharacterModel().eval()
    with torch.no_grad():
        weight = model.trunk[0].weight
        assert isinstance(weight, torch.Tensor)
        kept = weight[:, tension].clone()
        weight.zero_()
        weight[:, tension] = kept * 30
        outputs = torch.cat(list(model(torch.from_numpy(features)).values()), dim=1).numpy()
    labels = np.zeros((300, PREDICTIONS.size), np.float32)
    for region in PREDICTIONS.regions:
        for field in region.fields:
            span = region.locate(field.name)
            if field.enum is None:
                labels[:, span] = outputs[:, span]
            else:
                labels[np.arange(300), span.start + outputs[:, span].argmax(axis=1)] = 1
    found = importance(model, features, labels, HEAD_WEIGHTS)
    assert next(iter(found.fields)) == "scene_context.tension"
    assert found.fields["scene_context.tension"]["total"] > 0
    assert {name for name, rise in found.fields.items() if any(rise.values())} == {"scene_context.tension"}
    assert {name for name, rise in found.regions.items() if any(rise.values())} == {"scene_context"}
    assert set(found.regions["tensor"]) == {"total", *HEADS}
    assert not any(name.startswith("history") for name in found.fields)
