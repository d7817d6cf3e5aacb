"""Tells keepalived the network interface of the shared address. Runs on the balancer, as root.

`python3 -IS haproxy_interface.py ADDRESS` writes the file that keepalived's configuration includes:
the interface on which the host would reach the address if nobody held it. Standard library only.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = Path("/run/groundcrew-keepalived/interface.conf")


def chosen(routes: Sequence[Mapping[str, Any]]) -> str | None:
    """The interface of the most specific route; None if there is none."""
    usable = [item for item in routes if item.get("dev")]

    def prefix(item: Mapping[str, Any]) -> int:
        text = str(item["dst"])
        return 0 if text == "default" else ipaddress.ip_network(text, strict=False).prefixlen

    # The address itself is a route of this table while this host holds it, and tells the same.
    return str(max(usable, key=prefix)["dev"]) if usable else None


def routes(address: str) -> list[dict[str, Any]]:
    """The routes that lead to an address."""
    family = "-6" if ":" in address else "-4"
    command = ["ip", family, "-j", "route", "show", "table", "main", "match", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    matching: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return matching


def main(address: str) -> int:
    """The exit status."""
    name = chosen(routes(address))
    if name is None:
        print(f"no route leads to {address}: set haproxy.interface", file=sys.stderr)
        return 1
    FILE.parent.mkdir(mode=0o755, exist_ok=True)
    FILE.write_text(f"$INTERFACE={name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
