"""A plain command as the server of an application's releases."""

from groundcrew.roles.command.builders import Command

__all__ = ["Command"]
