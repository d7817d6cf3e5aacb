"""Role: base."""
