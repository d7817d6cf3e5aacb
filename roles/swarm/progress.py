"""How an update of the swarm goes, and how it has ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundcrew.roles.swarm.report import Progress, Service, Stack

GOING_BACK = ("rollback_started",)
UNDER_WAY = ("updating", *GOING_BACK)
STOPPED = ("rollback_paused", "paused")
WENT_BACK = ("rollback_completed", *STOPPED)

MOST = 3
"""Containers of a new service that may fail before the run gives up."""


def line(told: Progress) -> str:
    """One line about all services."""
    return ", ".join(_of(item) for item in sorted(told["services"], key=lambda item: item["name"]))


def _of(item: Service) -> str:
    short = item["name"].rpartition("_")[2]
    update = {"": "", "completed": "", "updating": ", updating"}.get(
        item["update"], f", {item['update'].replace('_', ' ')}"
    )
    return f"{short} {item['running']} of {item['wanted']}{update}"


def _why(told: Progress, item: Service) -> str:
    name = item["name"]
    reasons = "; ".join(filter(None, (item["message"], *told["reasons"].get(name, ()))))
    output = told["output"].get(name, "")
    return f"{reasons}\n{output}" if output else reasons


def differences(told: Stack, wanted: Mapping[str, Any]) -> list[str]:
    """What differs from the wanted state, from what `on_host_stack.state` tells."""
    return [*changes(told, wanted), *unsettled(told, wanted)]


def unsettled(told: Stack, wanted: Mapping[str, Any]) -> list[str]:
    """What the swarm brings to its wanted state by itself, and what has to be waited for. Telling
    it the same again would make it forget what it has to go back to."""
    lines = []
    for item in told["services"]:
        if busy(item):
            lines.append(f"service {item['name']}: an update has not ended yet")
        elif item["digest"] == wanted["digests"].get(item["name"]) and (
            item["running"] < item["wanted"]
        ):
            lines.append(f"service {item['name']}: {item['running']} of {item['wanted']} run")
    return lines


def busy(item: Service) -> bool:
    """Whether an update of a service is going on."""
    return item["update"] in UNDER_WAY


def changes(told: Stack, wanted: Mapping[str, Any]) -> list[str]:
    """What the swarm must be told."""
    lines = []
    for kind, title, known in (
        ("secrets", "secret", told["secrets"]),
        ("configs", "configuration", told["configs"]),
    ):
        lines += [f"{title} {item['name']}" for item in wanted[kind] if item["name"] not in known]
    there = {item["name"]: item for item in told["services"]}
    for name, digest in wanted["digests"].items():
        item = there.pop(name, None)
        if item is None:
            lines.append(f"service {name} is new")
        elif item["digest"] != digest:
            lines.append(f"service {name} is updated")
        elif item["update"] in STOPPED:
            lines.append(f"service {name}: its update has stopped half-way")
    lines += [f"service {name} is removed" for name in there]
    if wanted["hooks"] and wanted["hooks_note"] not in told["configs"]:
        lines.append("release hooks")
    return lines


def ended(told: Progress, digests: Mapping[str, str]) -> tuple[bool, str | None]:
    """Whether the update has ended; and why it has failed, if it has."""
    services = {item["name"]: item for item in told["services"]}
    for name in digests:
        item = services.get(name)
        if item is None:
            continue
        if item["update"] in WENT_BACK:
            return True, f"{name} went back to what ran before: {_why(told, item)}"
        if item["update"] in GOING_BACK:
            return False, None
        # A new service has nothing to go back to: the swarm would try for ever.
        new = item["update"] == "" and item["digest"] == digests[name]
        if new and told["failures"].get(name, 0) >= MOST:
            return True, f"{name} does not start: {_why(told, item)}"
    done = all(
        name in services
        and services[name]["digest"] == digest
        and services[name]["update"] in ("", "completed")
        and services[name]["running"] >= services[name]["wanted"]
        and services[name]["wanted"] > 0
        for name, digest in digests.items()
    )
    return done, None
