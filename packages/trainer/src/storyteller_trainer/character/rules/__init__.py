"""The engine's label rules: what they say of each example, and whether data follow them."""
