"""Data, models, losses and training loops: JSONL in, checkpoint out."""
