"""Whether a load test passed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from groundcrew.manifest.load import Load
from groundcrew.results.result import Check, fail, judge, ok

TOO_MANY = "status 429"


def checks(result: Mapping[str, Any], load: Load) -> Iterator[Check]:
    """The thresholds, each with what was seen."""
    total = result["total"]
    if result.get("stopped"):
        yield fail("test", f"stopped by you after {result['seconds']:.0f} s")
    if not total["requests"]:
        yield fail("requests", "none was answered")
        return
    share = 100 * (1 - total["failed"] / total["requests"])
    detail = f"{share:.2f} % of {total['requests']:,}, at least {load.success:g} % wanted"
    yield judge("succeeded", [detail] if share < load.success else [], detail)
    detail = f"95 % within {total['p95']:.3f} s, at most {load.p95:g} s wanted"
    yield judge("answer time", [detail] if total["p95"] > load.p95 else [], detail)
    if load.rate:
        detail = f"{total['rate']:.1f} per second, at least {load.rate:g} wanted"
        yield judge("requests", [detail] if total["rate"] < load.rate else [], detail)
    for item in result["login"]:
        if item["failed"]:
            yield fail(item["name"], f"failed for {item['failed']} of {item['requests']} users")
    during = result.get("during")
    if during:
        detail = (
            f"{during['playbook']} ended with {during['status']} after {during['seconds']:.0f} s"
        )
        yield fail("meanwhile", detail) if during["status"] else ok("meanwhile", detail)


def hint(result: Mapping[str, Any]) -> str | None:
    """What the failures suggest to do; None if nothing."""
    if any(item["why"].startswith(TOO_MANY) for item in result["failures"]):
        return (
            "nginx limits the requests of one address (429): for the test, add this machine's "
            "address to `nginx.limits.allow`"
        )
    return None
