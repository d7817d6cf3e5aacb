"""Certificates of a host's sites."""

from groundcrew.roles.tls.builders import NGINX, Front, entries, packages
from groundcrew.roles.tls.deploy import begin, finish
from groundcrew.roles.tls.settings import TlsSettings

__all__ = ["NGINX", "Front", "TlsSettings", "begin", "entries", "finish", "packages"]
