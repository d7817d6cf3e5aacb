"""The address that the balancers share: keepalived's files, and what is asked about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from groundcrew.bindings import Place
from groundcrew.bindings.address import numeric
from groundcrew.entries import Directory, Entry, File
from groundcrew.metrics import Neighbour, in_group
from groundcrew.roles.haproxy.settings import HaproxySettings
from groundcrew.templates import render

UNIT = "keepalived.service"
VRRP = 112
"""Number of the IP protocol with which balancers agree on who holds the address."""

ON_HOST = "groundcrew.roles.haproxy.on_host_address"
PROGRAMS = "/usr/local/lib/groundcrew"
CONFIGURATION = "/etc/groundcrew/haproxy/keepalived.conf"
RUNTIME_NAME = "groundcrew-keepalived"
RUNTIME = f"/run/{RUNTIME_NAME}"
INTERFACE_FILE = f"{RUNTIME}/interface.conf"
INTERFACE_PROGRAM = f"{PROGRAMS}/haproxy_interface.py"
CHECK_PROGRAM = f"{PROGRAMS}/haproxy_serves.py"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
DROP_IN_FILE = f"{DROP_IN}/groundcrew.conf"
CHECK = ("/usr/bin/python3", "-IS", CHECK_PROGRAM)
FIRST_PRIORITY = 200
SETTLE = 8.0
"""Seconds in which the balancers must have agreed."""


def peers(place: Place) -> list[Neighbour]:
    """The other balancers, in the order of the inventory."""
    return [item for item in in_group(place.hosts, "lb") if item.name != place.name]


def priority(place: Place) -> int:
    """The first balancer of the inventory has the highest."""
    names = [item.name for item in in_group(place.hosts, "lb")]
    return FIRST_PRIORITY - names.index(place.name)


def own_address(place: Place) -> str:
    """The address with which this balancer talks to the others."""
    return numeric(next(item.address for item in place.hosts if item.name == place.name))


def unit_files(settings: HaproxySettings) -> list[Entry]:
    """How keepalived runs, and the program that it asks."""
    text = render(
        "haproxy/keepalived.service.j2",
        configuration=CONFIGURATION,
        prepare=prepare(settings),
        runtime=RUNTIME,
        runtime_name=RUNTIME_NAME,
    )
    return [
        Directory(PROGRAMS),
        File(CHECK_PROGRAM, _program("serves.py")),
        *([File(INTERFACE_PROGRAM, _program("on_host_interface.py"))] if prepare(settings) else []),
        Directory(DROP_IN),
        File(DROP_IN_FILE, text),
    ]


def configuration_files(settings: HaproxySettings, place: Place) -> list[Entry]:
    """keepalived's configuration."""
    text = render(
        "haproxy/keepalived.conf.j2",
        address=own_address(place),
        check=" ".join(CHECK),
        interface=settings.interface,
        interface_file=INTERFACE_FILE,
        name=place.name,
        peers=[numeric(item.address) for item in peers(place)],
        priority=priority(place),
        settings=settings,
    )
    return [File(CONFIGURATION, text)]


def check_command(settings: HaproxySettings) -> str:
    """A shell command that fails unless keepalived accepts the configuration on disk."""
    before = f"python3 -IS {prepare(settings)} && " if prepare(settings) else ""
    # At the end of the test, keepalived ends its whole process group, and with it the shell.
    test = f"exec /usr/sbin/keepalived --config-test --use-file {CONFIGURATION}"
    return f"{before}setsid -w sh -c 'trap \"\" TERM; {test}'"


def prepare(settings: HaproxySettings) -> str:
    """The program that finds the interface, with its argument; empty if it is set."""
    return "" if settings.interface else f"{INTERFACE_PROGRAM} {settings.address}"


def _program(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def request(settings: HaproxySettings, place: Place) -> dict[str, Any]:
    """The request to `roles/haproxy/on_host_address.py`."""
    addresses = [settings.address, *settings.more_addresses] if settings.address else []
    return {
        "unit": UNIT,
        "addresses": [str(item) for item in addresses],
        "interface": settings.interface,
        "configuration": CONFIGURATION,
        "drop_in": DROP_IN_FILE,
        "check": ["setpriv", "--reuid=haproxy", "--regid=haproxy", "--clear-groups", *CHECK],
        "port": settings.port,
        "names": sorted(set(_names(place))) if settings.dns else [],
        "settle": SETTLE,
    }


def _names(place: Place) -> Iterable[str]:
    return (
        name for item in place.balanced for name in item.settings.names if not name.startswith("*")
    )
