"""Every host. Only what differs from the roles' defaults (docs/settings.md lists those)."""
