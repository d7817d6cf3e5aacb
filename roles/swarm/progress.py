"""How an update of the swarm goes, and how it has ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GOING_BACK = ("rollback_started",)
WENT_BACK = ("rollback_completed", "rollback_paused", "paused")


def line(told: Mapping[str, Any]) -> str:
    """One line about all services."""
    return ", ".join(_of(item) for item in sorted(told["services"], key=lambda item: item["name"]))


def _of(item: Mapping[str, Any]) -> str:
    short = item["name"].rpartition("_")[2]
    update = {"": "", "completed": "", "updating": ", updating"}.get(
        item["update"], f", {item['update'].replace('_', ' ')}"
    )
    return f"{short} {item['running']} of {item['wanted']}{update}"


def ended(told: Mapping[str, Any], digests: Mapping[str, str]) -> tuple[bool, str | None]:
    """Whether the update has ended; and why it has failed, if it has."""
    services = {item["name"]: item for item in told["services"]}
    for name in digests:
        item = services.get(name)
        if item is None:
            continue
        if item["update"] in WENT_BACK:
            why = "; ".join(told["reasons"].get(name, ())) or item["message"] or "no reason is told"
            return True, f"{name} went back to what ran before: {why}"
        if item["update"] in GOING_BACK:
            return False, None
    done = all(
        name in services
        and services[name]["digest"] == digest
        and services[name]["update"] in ("", "completed")
        and services[name]["running"] >= services[name]["wanted"]
        and services[name]["wanted"] > 0
        for name, digest in digests.items()
    )
    return done, None
