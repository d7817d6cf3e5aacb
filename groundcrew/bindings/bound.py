"""Turns the bindings of an application into what its releases get on one host."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from groundcrew.bindings.binding import Binding, Link
from groundcrew.bindings.endpoint import Endpoint, Location, Login
from groundcrew.entries import Generated
from groundcrew.manifest.bound import Bound
from groundcrew.manifest.need import Need, filled

AUTHORITIES = "/etc/groundcrew/authorities"
"""Directory of the certificates of other hosts' services."""


def token(binding: Binding, what: str) -> str:
    """The token that stands for user or password of a binding."""
    text = f"{binding.settings.service}\0{binding.app}\0{binding.need}\0{what}"
    return f"binding{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def login(binding: Binding) -> Login:
    """The tokens of a binding's login."""
    return Login(token(binding, "user"), token(binding, "password"))


def generated(binding: Binding) -> tuple[Generated, ...]:
    """Where the host finds the values of the tokens. It never makes them up."""
    tokens = login(binding)
    return (
        Generated(tokens.user, f"{binding.store}/active/user", 0, ""),
        Generated(tokens.password, f"{binding.store}/active/password", 0, ""),
    )


def certificate_file(role: str) -> str:
    """File with the certificate of a role's server, on the host that provides it."""
    return f"/etc/groundcrew/{role}/tls.crt"


def ca_file(link: Link) -> str:
    """File with the provider's certificate on the hosts that connect to it."""
    return f"{AUTHORITIES}/{link.role}-{link.provider}.pem"


def location(binding: Binding, host: str) -> Location:
    """Where the provider is for the application on `host`."""
    local = binding.provider == host
    return Location(
        "127.0.0.1" if local else binding.address,
        local,
        local and binding.settings.connect == "socket",
        "" if local else ca_file(binding),
    )


def bound(needs: Mapping[str, tuple[Need, Endpoint, tuple[Generated, ...]]]) -> Bound:
    """What an application gets, from the endpoint of each need."""
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    for need, (settings, endpoint, _) in needs.items():
        parts = dict(endpoint.parts)
        variables |= {key: filled(text, parts) for key, text in settings.variables(need).items()}
        files |= {path: filled(text, parts) for path, text in settings.files.items()}
    return Bound(
        variables=variables,
        files=files,
        parts={need: dict(endpoint.parts) for need, (_, endpoint, _) in needs.items()},
        generated=tuple(item for _, _, tokens in needs.values() for item in tokens),
        after=_unique(unit for _, endpoint, _ in needs.values() for unit in endpoint.units),
    )


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
