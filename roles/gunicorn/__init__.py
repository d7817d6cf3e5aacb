"""gunicorn as the server of an application's releases."""

from groundcrew.roles.gunicorn.builders import Gunicorn

__all__ = ["Gunicorn"]
