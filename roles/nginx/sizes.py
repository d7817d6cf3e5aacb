"""Sizes in nginx's syntax."""

from __future__ import annotations


def nginx_size(size: str) -> str:
    """`size` for nginx, which has no suffix for tebibytes."""
    return f"{int(size[:-1]) * 1024}G" if size.endswith("T") else size
