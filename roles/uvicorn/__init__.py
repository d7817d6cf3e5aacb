"""uvicorn alone as the server of an application's releases."""

from roles.uvicorn.builders import Uvicorn

__all__ = ["Uvicorn"]
