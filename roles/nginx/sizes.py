"""Sizes in nginx's syntax."""

from __future__ import annotations


def nginx_size(size: str) -> str:
    """`size` in nginx's units, which have no tebibytes."""
    return f"{int(size[:-1]) * 1024}G" if size.endswith("T") else size
