"""uWSGI as the server of an application's releases.

It comes from PyPI as `pyuwsgi`, uWSGI's own source in binary wheels, pinned with hashes like
gunicorn: nothing is compiled on the host, and every host has the same version. Debian's packages
will not do: 2.0.21 in Debian 12 cuts off requests of processes with threads when it is told to stop
(mended in 2.0.27), and their Python plugin fits no other interpreter than the system's.
An application whose requirements name `uwsgi` itself keeps that one; it is compiled while building,
which needs `apt: [gcc, libc6-dev, python3-dev]` in its manifest.
"""

from roles.uwsgi.builders import Uwsgi

__all__ = ["Uwsgi"]
