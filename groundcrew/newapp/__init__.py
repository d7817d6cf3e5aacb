"""Writes the first manifest of an application by looking at its source, which is never run."""
