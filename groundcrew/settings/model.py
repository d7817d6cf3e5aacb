"""The base class of roles' settings.

It is at home in `groundcrew.model`: the application models, which this package loads, derive from
it too.
"""

from groundcrew.model import Settings

__all__ = ["Settings"]
