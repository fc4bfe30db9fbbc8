"""Sample data for the character model, drawn by the engine's generator rules."""
