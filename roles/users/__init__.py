"""Role: users."""
