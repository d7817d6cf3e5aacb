"""Processes that work on tasks."""
