"""Verification of exported files: which kind of model a file holds, and the checks of that kind."""
