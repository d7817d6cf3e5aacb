"""Applications: accounts, directories, and releases that replace one another."""

from roles.app import node
from roles.app.builders import claim
from roles.app.deploy import build, finish, prepare, release
from roles.app.plan import plan

__all__ = ["build", "claim", "finish", "node", "plan", "prepare", "release"]
