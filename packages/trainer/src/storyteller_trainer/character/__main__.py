"""`python -m storyteller_trainer.character` is `train-character-model`, as one of several processes runs it."""

from storyteller_trainer.entry_points import train_character_model
from storyteller_trainer.runs.launch import join

join()
train_character_model()
