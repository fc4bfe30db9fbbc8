"""The console commands of this package, for its pyproject.toml; what they need is imported when they are called."""

from __future__ import annotations

from storyteller_schema.entry import Entry

generate_training_data = Entry("storyteller_trainer.sample.cli")
generate_event_data = Entry("storyteller_trainer.sample.events_cli")
train_character_model = Entry("storyteller_trainer.character.cli")
train_event_classifier = Entry("storyteller_trainer.events.cli")
