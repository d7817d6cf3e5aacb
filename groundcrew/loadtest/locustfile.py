"""The users of a load test. Locust runs this file in a virtualenv of its own; the file that
GROUNDCREW_LOADTEST names has the plan (`groundcrew.loadtest.plan.Plan`).

It reports once a second on standard output, one JSON object per line, and at the end everything in
the file that GROUNDCREW_LOADTEST_RESULT names.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.socket  # type: ignore[import-untyped]
from locust import FastHttpUser, constant, events, task
from locust.exception import StopUser

PLAN: dict[str, Any] = json.loads(Path(os.environ["GROUNDCREW_LOADTEST"]).read_text())
RESULT = Path(os.environ["GROUNDCREW_LOADTEST_RESULT"])
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
WEIGHTS = [step["weight"] for step in PLAN["steps"]]
LOGIN = "login: "
"""Begins the names of requests of the login."""

began = time.time()
numbers = count(1)
sent = count(1)
look_up = gevent.socket.getaddrinfo


def look_up_host(host: str, port: int, *options: Any) -> Any:
    """The address of the host in the place of the site's name, which need not be in the DNS."""
    return look_up(PLAN["address"] if host == PLAN["name"] else host, port, *options)


gevent.socket.getaddrinfo = look_up_host


class Visitor(FastHttpUser):
    """One user: logs in, then sends one request after the other."""

    host = PLAN["url"]
    wait_time = constant(PLAN["pause"])
    insecure = PLAN["insecure"]
    connection_timeout = PLAN["timeout"]
    network_timeout = PLAN["timeout"]

    def on_start(self) -> None:
        """Logs in."""
        self.number = next(numbers)
        self.saved: dict[str, str] = {}
        for step in PLAN["login"]:
            if not self.ask(step, LOGIN):
                raise StopUser

    @task
    def visit(self) -> None:
        """Sends one request."""
        if PLAN["requests"] is not None:
            number = next(sent)
            if number == PLAN["requests"] + 1:
                # By itself: it waits until all users have ended, and this is one.
                gevent.spawn(self.environment.runner.quit)
            if number > PLAN["requests"]:
                raise StopUser
        [step] = random.choices(PLAN["steps"], WEIGHTS)  # noqa: S311
        self.ask(step)

    def ask(self, step: Mapping[str, Any], kind: str = "") -> bool:
        """Sends a request and judges its answer. Returns whether that was the expected one."""
        headers = self.filled(step["headers"])
        body = self.filled(step["body"])
        if step["form"] is not None:
            body = self.filled(step["form"])
        options = {} if step["json"] is None else {"json": self.filled(step["json"])}
        with self.client.request(
            step["method"],
            self.filled(step["path"]),
            name=kind + step["name"],
            headers=headers,
            data=body,
            catch_response=True,
            allow_redirects=False,
            **options,
        ) as answer:
            problem = self.problem(step, answer)
            if problem:
                answer.failure(problem)
            return problem is None

    def problem(self, step: Mapping[str, Any], answer: Any) -> str | None:
        """What is wrong with an answer; None if nothing is."""
        if answer.status_code == 0:
            return f"no answer: {type(answer.error).__name__}: {answer.error}"
        wanted = step["status"]
        if wanted is None and answer.status_code >= 400:
            return f"status {answer.status_code}"
        if wanted is not None and answer.status_code != wanted:
            return f"status {answer.status_code} instead of {wanted}"
        if step["contains"] is not None and step["contains"] not in (answer.text or ""):
            return f"the answer does not contain {step['contains']!r}"
        for name, key in step["save"].items():
            value = value_at(answer, key)
            if value is None:
                return f"the answer has no {key}"
            self.saved[name] = value
        return None

    def filled(self, value: Any) -> Any:
        """A value with its placeholders filled in."""
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda match: self.word(match[1]), value)
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        return value

    def word(self, name: str) -> str:
        """What a placeholder stands for; nothing for what is not there."""
        if name == "user":
            return str(self.number)
        if name == "random":
            return str(random.randrange(1 << 31))  # noqa: S311
        if name.startswith("cookie:"):
            wanted = name.partition(":")[2]
            return next((item.value for item in self.client.cookiejar if item.name == wanted), "")
        return self.saved.get(name, "")


def value_at(answer: Any, key: str) -> str | None:
    """The value at a dotted key of a JSON answer; None if there is none."""
    try:
        value = json.loads(answer.text)
        for part in key.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return str(value)


def figures(entry: Any) -> dict[str, Any]:
    """Figures of one kind of request, times in seconds."""
    p50, p95, p99 = (entry.get_response_time_percentile(part) or 0 for part in (0.5, 0.95, 0.99))
    return {
        "name": entry.name,
        "requests": entry.num_requests,
        "failed": entry.num_failures,
        "rate": entry.total_rps,
        "p50": p50 / 1000,
        "p95": p95 / 1000,
        "p99": p99 / 1000,
        "longest": (entry.max_response_time or 0) / 1000,
    }


def tell(environment: Any) -> None:
    """Tells how far the test is."""
    total = environment.stats.total
    summary = {
        "seconds": round(time.time() - began, 1),
        "users": environment.runner.user_count,
        **figures(total),
        "rate": total.current_rps,
    }
    print(json.dumps(summary), flush=True)


@events.test_start.add_listener
def start(environment: Any, **_: Any) -> None:
    """Begins to tell, and to count the seconds until the end."""
    global began  # noqa: PLW0603 - from now on it counts
    began = time.time()
    if PLAN["duration"] is not None:
        gevent.spawn_later(PLAN["duration"], environment.runner.quit)

    def each_second() -> None:
        while True:
            gevent.sleep(1)
            tell(environment)

    gevent.spawn(each_second)


@events.quitting.add_listener
def end(environment: Any, **_: Any) -> None:
    """Tells once more, as a short test may end before it has told anything, and writes the
    result."""
    tell(environment)
    stats = environment.stats
    entries = [figures(entry) for entry in stats.entries.values()]
    RESULT.write_text(
        json.dumps(
            {
                "seconds": round(time.time() - began, 1),
                "total": figures(stats.total),
                "steps": [item for item in entries if not item["name"].startswith(LOGIN)],
                "login": [item for item in entries if item["name"].startswith(LOGIN)],
                "failures": [
                    {"name": item.name, "count": item.occurrences, "why": str(item.error)}
                    for item in sorted(stats.errors.values(), key=lambda one: -one.occurrences)
                ],
            }
        )
    )
