"""The Python interpreter and uv, which builds virtualenvs from hash-pinned requirements."""

from groundcrew.roles.python.builders import PACKAGES, toolchain
from groundcrew.roles.python.deploy import begin, finish

__all__ = ["PACKAGES", "begin", "finish", "toolchain"]
