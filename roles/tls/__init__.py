"""Certificates on a host."""

from roles.tls.builders import entries, packages
from roles.tls.deploy import begin, finish
from roles.tls.settings import TlsSettings

__all__ = ["TlsSettings", "begin", "entries", "finish", "packages"]
