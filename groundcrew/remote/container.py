"""Whether a host is a container, as systemd-detect-virt finds out."""

from __future__ import annotations

from pathlib import Path

MARKS = ("/run/systemd/container", "/.dockerenv", "/run/.containerenv")
"""Files that systemd, Docker and Podman write in a container."""


def in_container() -> bool:
    """Whether this host is one."""
    return any(Path(mark).exists() for mark in MARKS)
