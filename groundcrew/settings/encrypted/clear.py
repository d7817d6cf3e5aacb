"""The secrets in clear, as people read and write them: YAML."""

from __future__ import annotations

from collections.abc import Mapping

import yaml as pyyaml

from groundcrew.settings import yaml
from groundcrew.settings.encrypted.errors import EncryptedFileError
from groundcrew.settings.encrypted.file import flat, nested


class _Dumper(pyyaml.SafeDumper):
    """Writes texts of several lines, such as keys, as blocks."""


def _text(dumper: pyyaml.SafeDumper, value: str) -> pyyaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def text(values: Mapping[str, str]) -> str:
    """The values as YAML; nothing if there are none."""
    if not values:
        return ""
    return pyyaml.dump(
        nested(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20
    )


def parsed(written: str) -> dict[str, str]:
    """The values of a text; numbers and the like stay as they are written. Raises
    EncryptedFileError."""
    try:
        return flat(yaml.texts(written) or {})
    except yaml.YamlError as error:
        raise EncryptedFileError(str(error)) from None
