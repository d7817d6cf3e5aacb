"""The task side."""
