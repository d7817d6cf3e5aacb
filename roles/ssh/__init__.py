"""Role: ssh."""
