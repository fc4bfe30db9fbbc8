"""`python -m storyteller_trainer.character` is `train-character-model`: what torchrun starts."""

from storyteller_trainer.entry_points import train_character_model

train_character_model()
