"""What verify and status say about Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.bindings.lag import behind, lag
from groundcrew.columns import size
from groundcrew.results.result import Check, judge, warn
from groundcrew.roles.redis.report import Instance, Instances
from groundcrew.roles.redis.settings import RedisSettings
from groundcrew.verify.seen import Seen


def servers(settings: RedisSettings, seen: Seen) -> Iterator[Check]:
    """Every instance answers, has the logins of the applications, and stores what it should."""
    report: Instances = seen.section("redis")
    details = []
    problems = list(report["differences"])
    for name, item in report["instances"].items():
        problems += _problems(settings, name, item)
        if "error" not in item:
            details.append(
                f"{name} {item['version']} {size(item['used'])} of {size(item['allowed'])}"
            )
    yield judge("redis", problems, ", ".join(details))
    for name, item in report["instances"].items():
        full = "error" not in item and item["used"] > 0.9 * item["allowed"]
        if full and settings.running[name].purpose == "queue":
            yield warn(f"redis {name}", f"{size(item['used'])} of {size(item['allowed'])} are used")
        for account in item.get("rotating", ()):
            text = f"the rotation of {account}'s password has not ended: run it again"
            yield warn(f"redis {name} rotation", text)
        for replica in item.get("replicas", ()):
            yield behind(f"redis {name} replica {replica['host']}", replica, settings.max_lag)


def replicas_follow(settings: RedisSettings, seen: Seen) -> Iterator[Check]:
    """Every replica follows its primary, and is not too far behind."""
    report: Instances = seen.section("redis_replicas")
    problems = list(report["differences"])
    for name, item in report["instances"].items():
        problems += _problems(settings, name, item)
    details = (f"{name} of {item['replica']['of']}" for name, item in report["instances"].items())
    yield judge("redis replicas", problems, ", ".join(details))
    for name, item in report["instances"].items():
        yield behind(f"redis {name} replication", item["replica"], settings.max_lag)


def _problems(settings: RedisSettings, name: str, item: Instance) -> Iterator[str]:
    """What is wrong with an instance, whether it is a primary or a replica."""
    if "error" in item:
        yield f"{name}: {item['error']}"
    elif settings.running[name].purpose == "queue":
        if not item["stored"]:
            yield f"{name} is a queue and stores nothing"
        elif item["last_write"] != "ok":
            yield f"{name}: its last write to disk failed"


def status(report: Instances) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    for name, item in report["instances"].items():
        yield _figures(name, item)
        for replica in item.get("replicas", ()):
            yield f"  replica on {replica['host']}: {lag(replica)}"


def replica_status(report: Instances) -> Iterable[str]:
    """Lines of `playbooks/status.py` about replicas."""
    for name, item in report["instances"].items():
        yield _figures(name, item)
        yield f"  replica of {item['replica']['of']}: {lag(item['replica'])}"
        for path in item["replica"]["aside"]:
            yield f"  {path}: moved aside, not used"


def _figures(name: str, item: Instance) -> str:
    if "error" in item:
        return f"redis {name}: {item['error']}"
    rate = f"{item['hit_rate']} %" if item["hit_rate"] is not None else "?"
    return (
        f"redis {name} {item['version']}: {size(item['used'])} of {size(item['allowed'])}, "
        f"{item['clients']} of {item['maxclients']} connections, {item['keys']} keys, hit rate "
        f"{rate}, {item['evicted']} evicted"
    )
