"""Evaluates a module's top level without running it.

Statements are followed as Python would with an empty environment; what depends on running the code
is `UNKNOWN`. Only the project's own files are read.
"""
