"""Every host. Only what differs from the roles' defaults (docs/settings.md lists those)."""

# The admin user that the first run creates, and the user that a new host lets in before that (root,
# debian, admin, ... by provider).
ssh_user = "deploy"
bootstrap_user = "root"
