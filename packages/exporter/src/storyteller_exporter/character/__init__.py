"""What a character file says and has to do: metadata, cases, quality, verification."""
