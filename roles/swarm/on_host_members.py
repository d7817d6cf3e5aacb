"""Makes the swarm, and joins hosts to it. Runs on the host as root. Tokens come and go over
standard input and output, and over the engine's socket: they are in no argument list.

Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcrew.roles.swarm.on_host_engine import ask

if TYPE_CHECKING:
    # Types of the reports, shared with what reads them; never sent to a host.
    from groundcrew.roles.swarm.report import Membership, Tokens

Data = dict[str, Any]


def state(request: Data) -> Membership:  # noqa: ARG001 - every function gets a request
    """The host's part of a swarm."""
    member = ask("GET", "/info")["Swarm"]
    return {
        "state": member["LocalNodeState"],
        "manager": bool(member.get("ControlAvailable")),
        "address": member.get("NodeAddr", ""),
        "managers": sorted(item["Addr"] for item in member.get("RemoteManagers") or ()),
    }


def make(request: Data) -> None:
    """Makes a swarm of this host alone."""
    ask(
        "POST",
        "/swarm/init",
        {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": request["address"],
            "DataPathPort": request["data_port"],
        },
    )


def tokens(request: Data) -> Tokens:  # noqa: ARG001 - every function gets a request
    """What hosts need to join."""
    told = ask("GET", "/swarm")["JoinTokens"]
    return {"worker": told["Worker"], "manager": told["Manager"]}


def join(request: Data) -> None:
    """Joins the swarm."""
    ask(
        "POST",
        "/swarm/join",
        {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": request["address"],
            "RemoteAddrs": request["managers"],
            "JoinToken": request["token"],
        },
    )
