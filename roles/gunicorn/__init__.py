"""gunicorn as the server of an application's releases."""

from roles.gunicorn.builders import Gunicorn

__all__ = ["Gunicorn"]
