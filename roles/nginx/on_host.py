"""What verify and status read about nginx. Runs on the host."""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING, Any

from groundcrew.remote.unit_status import units

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.status import UnitStatus
    from groundcrew.roles.nginx.report import Counters

Data = dict[str, Any]


def nginx_status(request: Data) -> Counters:
    """nginx's counters: connections accepted and handled, requests."""
    connection = http.client.HTTPConnection("127.0.0.1", request["port"], timeout=5)
    try:
        connection.request("GET", "/status")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    accepted, handled, requests = re.findall(r"^ (\d+) (\d+) (\d+)", text, re.MULTILINE)[0]
    return {"accepted": int(accepted), "handled": int(handled), "requests": int(requests)}


def nginx(_: Data) -> UnitStatus | None:
    """State of nginx.service; None if nginx is not installed."""
    return units(["nginx.service"]).get("nginx.service")
