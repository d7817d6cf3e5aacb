"""Role: logrotate."""
