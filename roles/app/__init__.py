"""Applications: accounts, directories, and releases that replace one another."""

from groundcrew.roles.app import node
from groundcrew.roles.app.brings import brings
from groundcrew.roles.app.builders import claim
from groundcrew.roles.app.deploy import build, finish, prepare, release
from groundcrew.roles.app.plan import plan

__all__ = ["brings", "build", "claim", "finish", "node", "plan", "prepare", "release"]
