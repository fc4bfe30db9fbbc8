"""The PyTorch model whose numbers a character file has to give."""

from __future__ import annotations

import copy
from typing import cast

import torch
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.model.checkpoint import Checkpoint
from storyteller_trainer.character.model.network import CharacterModel
from torch import nn

from storyteller_exporter.character.file_metadata import is_aligned
from storyteller_exporter.character.quality import alignment


def aligned(model: CharacterModel) -> CharacterModel:
    """A copy whose binary outputs are BINARY_CUT higher, nothing else changed.

    The binary outputs are trained as logits: 0 is a probability of one half. The engine takes them for true when the
    raw value is above BINARY_CUT, a probability of 0.622. With the shift in the biases of the last layers, raw values
    above BINARY_CUT are exactly the logits above 0.
    """
    shifted = copy.deepcopy(model)
    shift = torch.from_numpy(alignment())
    with torch.no_grad():
        for region in PREDICTIONS.regions:
            last = cast(nn.Sequential, shifted.heads[region.name])[-1]
            cast(nn.Linear, last).bias.add_(shift[region.span])
    return shifted


def reference_model(source: Checkpoint, metadata: dict[str, str]) -> CharacterModel:
    """The PyTorch model whose numbers a file with these notes has to give."""
    return aligned(source.model) if is_aligned(metadata) else source.model
