"""uWSGI as the server of an application's releases.

It is installed from PyPI as `pyuwsgi` (uWSGI's source in binary wheels), pinned with hashes like
gunicorn: nothing is compiled on the host, and every host has the same version. Debian's packages
are unsuitable. 2.0.21 in Debian 12 cuts off requests of threaded processes when it stops (fixed in
2.0.27), and their Python plugin only supports the system's interpreter.

An application whose requirements name `uwsgi` keeps that one. It is compiled during the build,
which needs `apt: [gcc, libc6-dev, python3-dev]` in the manifest.
"""

from groundcrew.roles.uwsgi.builders import Uwsgi

__all__ = ["Uwsgi"]
