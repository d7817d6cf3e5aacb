"""The interpreter, and uv, which builds virtualenvs from hash-pinned requirements."""

from roles.python.builders import PACKAGES, toolchain
from roles.python.deploy import apply

__all__ = ["PACKAGES", "apply", "toolchain"]
