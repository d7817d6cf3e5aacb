"""The engine that the roles build on: settings, operations, facts, releases, verification, lab."""

__version__ = "0.1.0"
