"""The console commands of this package, for its pyproject.toml; what they need is imported when they are called."""

from __future__ import annotations

from storyteller_schema.common.entry import Entry

generate_training_data = Entry("storyteller_trainer.commands.generate_training_data")
generate_event_data = Entry("storyteller_trainer.commands.generate_event_data")
train_character_model = Entry("storyteller_trainer.commands.train_character_model")
import_annotations = Entry("storyteller_trainer.commands.import_annotations")
train_event_classifier = Entry("storyteller_trainer.commands.train_event_classifier")
list_runs = Entry("storyteller_trainer.commands.list_runs")
