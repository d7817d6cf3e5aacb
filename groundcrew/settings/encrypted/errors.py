"""What goes wrong with an encrypted file."""

from __future__ import annotations


class EncryptedFileError(Exception):
    """The file cannot be read or written; the message says why, without any value."""
