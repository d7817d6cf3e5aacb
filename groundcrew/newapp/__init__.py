"""Writes the first manifest of an application from its source, without running any of it."""
