"""The reference recipe as it was published, with nothing of this workspace in it: what `bench.py` compares with.

    python benchmarks/bench_reference.py DATA --validation ROWS --log LOG --output FILE [--epochs 100]

A row-by-row Dataset behind torch's DataLoader, `json.loads` and no cache, torch's AdamW and ReduceLROnPlateau, early
stopping. ROWS is a JSON list of the positions of the lines to validate on, so that both sides of the comparison judge
on the same examples. LOG gets one JSON object a line with the time of each event, OUTPUT the best weights.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import torch
from bench_log import EventLog
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset, Subset

SEED = 42
EPOCHS, BATCH_SIZE = 100, 256
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4
FACTOR, SCHEDULE_PATIENCE = 0.5, 5
STOP_PATIENCE, MIN_IMPROVEMENT = 10, 1e-4


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """One example a line, kept as two tensors."""

    def __init__(self, path: Path) -> None:
        self.examples: list[tuple[Tensor, Tensor]] = []
        with path.open(encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                features = torch.tensor(record["features"], dtype=torch.float32)
                labels = torch.tensor(record["labels"], dtype=torch.float32)
                self.examples.append((features, labels))

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.examples[index]


class Model(nn.Module):
    """The same architecture and names of weights as `CharacterModel`: 407,210 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(453, 384),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(384, 256),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(256, 256),
            nn.ReLU(),
        )
        sizes = {"action": 14, "speech": 6, "thought": 6, "emotion": 16}
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, size)) for name, size in sizes.items()}
        )

    def forward(self, features: Tensor) -> Tensor:
        """Raw outputs [batch, 42] from features [batch, 453]."""
        hidden = self.trunk(features)
        return torch.cat([head(hidden) for head in self.heads.values()], dim=1)


def loss_of(outputs: Tensor, labels: Tensor) -> Tensor:
    """The weighted sum of the four heads' losses; outputs and labels are [batch, 42]."""

    def classes(start: int, stop: int) -> Tensor:
        return F.cross_entropy(outputs[:, start:stop], labels[:, start:stop])

    def number(start: int, stop: int) -> Tensor:
        return F.mse_loss(outputs[:, start:stop], labels[:, start:stop])

    def binary(start: int, stop: int) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, start:stop], labels[:, start:stop])

    action = classes(0, 6) + number(6, 7) + number(7, 8) + number(8, 9) + classes(9, 14)
    speech = binary(14, 15) + classes(15, 19) + number(19, 20)
    thought = classes(20, 25) + number(25, 26)
    emotion = number(26, 34) + binary(34, 42)
    return 0.35 * action + 0.20 * speech + 0.20 * thought + 0.25 * emotion


def train(data: Path, held_out: list[int], epochs: int, log: EventLog, output: Path) -> None:
    """The whole recipe."""
    torch.manual_seed(SEED)
    rows = Rows(data)
    log.note("loaded")
    held = set(held_out)
    training = Subset(rows, [index for index in range(len(rows)) if index not in held])
    validation = Subset(rows, held_out)
    training_batches = DataLoader(training, batch_size=BATCH_SIZE, shuffle=True)
    validation_batches = DataLoader(validation, batch_size=BATCH_SIZE)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    scheduler = ReduceLROnPlateau(optimizer, factor=FACTOR, patience=SCHEDULE_PATIENCE)
    best, best_weights, to_beat, waited, steps = float("inf"), model.state_dict(), float("inf"), 0, 0
    for epoch in range(1, epochs + 1):
        model.train()
        for features, labels in training_batches:
            optimizer.zero_grad()
            loss = loss_of(model(features), labels)
            loss.backward()  # type: ignore[no-untyped-call]  # torch annotates it only in part
            optimizer.step()
            steps += 1
            if steps == 1:
                log.note("first_step")
        model.eval()
        total = 0.0
        with torch.no_grad():
            for features, labels in validation_batches:
                total += loss_of(model(features), labels).item() * len(features)
        mean = total / len(validation)
        log.note("epoch", epoch=epoch, val_loss=mean, steps=steps, examples=epoch * len(training))
        scheduler.step(mean)
        if mean < best:
            best, best_weights = mean, copy.deepcopy(model.state_dict())
        if mean < to_beat - MIN_IMPROVEMENT:
            to_beat, waited = mean, 0
        else:
            waited += 1
        if waited >= STOP_PATIENCE:
            break
    save_file(best_weights, output)


def main() -> None:
    """One run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    with EventLog(options.log) as log:
        train(options.data, json.loads(options.validation.read_text()), options.epochs, log, options.output)


if __name__ == "__main__":
    main()
