"""What an event or entity file says and has to do: metadata, cases, quality, verification."""
