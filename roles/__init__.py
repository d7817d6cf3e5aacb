"""One package per role: settings, builders, operations."""
