"""The encrypted file: reading and writing it."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml as pyyaml
from pyrage import DecryptError, decrypt, encrypt

from groundcrew.settings import yaml
from groundcrew.settings.encrypted import recipients
from groundcrew.settings.encrypted.errors import EncryptedFileError
from groundcrew.settings.encrypted.identities import Keys

NAME = "secrets.age.yml"
"""The default path in a project."""

HEADER = """\
# Secrets, each encrypted with age for these recipients. To change them: groundcrew secrets edit
"""
PART = re.compile(r"[A-Za-z0-9_-]+")
"""A part of a name."""


@dataclass(frozen=True)
class Encrypted:
    """What the file has: encrypted values by name (`shop.API_KEY`), and for whom."""

    values: Mapping[str, str] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()


def read(path: Path) -> Encrypted:
    """The file's content, still encrypted. Raises EncryptedFileError."""
    try:
        data = yaml.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YamlError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise EncryptedFileError(f"{path.name} cannot be read: {reason}") from None
    known = data.get("recipients") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(known, list):
        raise EncryptedFileError(f"{path.name} is no file of `groundcrew secrets edit`")
    return Encrypted(flat(data.get("values") or {}), tuple(map(str, known)))


def flat(data: Any, above: str = "") -> dict[str, str]:
    """`{"shop": {"API_KEY": "x"}}` as `{"shop.API_KEY": "x"}`. Raises EncryptedFileError."""
    if not isinstance(data, Mapping):
        raise EncryptedFileError("expected names with values, as in `API_KEY: value`")
    values: dict[str, str] = {}
    for key, value in data.items():
        name = f"{above}{key}"
        if not PART.fullmatch(str(key)):
            raise EncryptedFileError(f'"{name}": a name has letters, digits, "_" and "-"')
        if isinstance(value, Mapping):
            values |= flat(value, f"{name}.")
        elif isinstance(value, str):
            values[name] = value
        else:
            raise EncryptedFileError(f"{name}: expected text")
    return values


def nested(values: Mapping[str, str]) -> dict[str, Any]:
    """The opposite of `flat`."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *blocks, key = name.split(".")
        node = tree
        for block in blocks:
            node = node.setdefault(block, {})
        node[key] = value
    return tree


def opened(content: Encrypted, keys: Keys, names: Iterable[str] | None = None) -> dict[str, str]:
    """The values in clear: of all names, or of some. Raises EncryptedFileError."""
    return {
        name: _value(name, content.values[name], keys)
        for name in (content.values if names is None else names)
    }


def _value(name: str, text: str, keys: Keys) -> str:
    if not keys.identities:
        why = "".join(f"; {reason}" for reason in keys.unusable)
        raise EncryptedFileError(f"this machine has no key to decrypt it{why}")
    try:
        inside = json.loads(decrypt(base64.b64decode(text, validate=True), list(keys.identities)))
    except DecryptError as error:
        if "No matching keys" in str(error):
            why = "".join(f"; {reason}" for reason in keys.unusable)
            raise EncryptedFileError(
                f"{name} is not encrypted for a key of this machine: someone who can decrypt "
                f"it must add the key to the recipients and run `groundcrew secrets rekey`{why}"
            ) from None
        raise EncryptedFileError(f"{name} is damaged: it cannot be decrypted") from None
    except (binascii.Error, ValueError):
        raise EncryptedFileError(f"{name} is damaged: it is no text of age") from None
    # Otherwise somebody without a key could give a name the value of another.
    if not isinstance(inside, list) or inside[:1] != [name] or len(inside) != 2:
        raise EncryptedFileError(f"{name} has the encrypted value of another name")
    return str(inside[1])


def sealed(
    values: Mapping[str, str],
    for_whom: Iterable[str],
    old: Encrypted,
    old_values: Mapping[str, str],
) -> Encrypted:
    """The values, encrypted. What has not changed keeps its old text if the recipients are the
    same, so that a diff shows what has changed."""
    known = tuple(for_whom)
    same = set(known) == set(old.recipients)
    parsed = [recipients.parse(key) for key in known]
    return Encrypted(
        {
            name: old.values[name]
            if same and name in old.values and old_values.get(name) == value
            else base64.b64encode(encrypt(json.dumps([name, value]).encode(), parsed)).decode()
            for name, value in values.items()
        },
        known,
    )


def write(path: Path, content: Encrypted) -> None:
    """Replaces the file. Raises OSError."""
    data = {"recipients": list(content.recipients), "values": nested(content.values)}
    text = HEADER + pyyaml.safe_dump(data, sort_keys=False, width=1 << 20)
    descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(staged).chmod(0o644)
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
