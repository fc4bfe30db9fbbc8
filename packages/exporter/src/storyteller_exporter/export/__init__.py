"""From a run to the files that the engine loads."""
