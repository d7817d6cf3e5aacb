"""What the releases of an application get of its needs on one host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundcrew.entries import Generated


@dataclass(frozen=True)
class Bound:
    """What an application gets on one host. Logins are tokens, which the host replaces."""

    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts of files in the release, by path."""

    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Need -> what templates of configuration files can use."""

    generated: tuple[Generated, ...] = ()
    """The tokens in all of these."""

    after: tuple[str, ...] = ()
    """Units of the host that start before the application's."""

    providers: tuple[str, ...] = ()
    """Hosts that provide what the application needs. Where they differ, so does what release hooks
    work on."""

    networks: tuple[str, ...] = ()
    """Addresses that the application must be able to connect to."""

    awaited: Mapping[str, str] = field(default_factory=dict)
    """Services on other hosts that must answer before the application starts at boot: `HOST:PORT`
    -> name of the host."""
