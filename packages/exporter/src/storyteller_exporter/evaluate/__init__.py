"""Scores of the exported classifiers, run and read as the engine does it."""
