"""The interpreter, and uv, which builds virtualenvs from hash-pinned requirements."""

from roles.python.builders import PACKAGES, toolchain
from roles.python.deploy import begin, finish

__all__ = ["PACKAGES", "begin", "finish", "toolchain"]
