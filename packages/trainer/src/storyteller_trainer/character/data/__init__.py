"""From training files to batches."""
