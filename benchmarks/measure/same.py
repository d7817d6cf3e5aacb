"""Comparison of two hosts."""

from __future__ import annotations

import runpy
import time

import requests
import yaml

from benchmarks.measure import lab


def state(name: str) -> set[str]:
    """The output of state.sh on a host."""
    text = (lab.ROOT / "benchmarks" / "state.sh").read_bytes()
    return set(lab.as_root(name, "sh -s", text).decode(errors="replace").splitlines())


def differences() -> list[str]:
    """Lines of state.sh that only one of the hosts has."""
    ours, theirs = state(lab.GROUNDCREW), state(lab.SCRIPT)
    lines = [f"only groundcrew: {line}" for line in sorted(ours - theirs)]
    return lines + [f"only script:     {line}" for line in sorted(theirs - ours)]


def answers(name: str) -> dict[str, int]:
    """Application -> status of its health path through nginx, requested from outside."""
    statuses = {}
    on_host = runpy.run_path(str(lab.ROOT / "group_data" / "web.py"))["apps"]
    for manifest in (lab.ROOT / "apps" / f"{app}.yml" for app in sorted(on_host)):
        app = yaml.safe_load(manifest.read_text(encoding="utf-8"))
        answer = requests.get(
            f"http://{lab.address(name)}{app['health']['path']}",
            headers={"Host": app["domains"][0]},
            timeout=10,
        )
        statuses[manifest.stem] = answer.status_code
    return statuses


def await_answers(name: str, seconds: float = 30) -> None:
    """Waits until all applications answer. Raises BenchmarkError if they do not within
    `seconds`."""
    deadline = time.monotonic() + seconds
    while (statuses := answers(name)) and set(statuses.values()) != {200}:
        if time.monotonic() > deadline:
            raise lab.BenchmarkError(f"{name} does not answer: {statuses}")
        time.sleep(0.05)
