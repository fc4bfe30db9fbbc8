"""What can be checked about any exported file, and the report of it."""
