"""uvicorn as the server of an application's releases, without gunicorn."""

from groundcrew.roles.uvicorn.builders import Uvicorn

__all__ = ["Uvicorn"]
