"""What every package needs and no engine knows of: console, errors, files, settings."""
