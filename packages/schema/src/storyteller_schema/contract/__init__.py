"""What the engine and this workspace agree on: vectors, labels, decode rules, files, fingerprints."""
