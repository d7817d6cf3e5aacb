"""Whether two hosts ended up the same."""

from __future__ import annotations

import re

import requests
import yaml

from benchmarks.measure import lab

RELEASE = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{12})")


def state(name: str) -> set[str]:
    """What state.sh says of a host, with releases named by their digest alone."""
    text = (lab.ROOT / "benchmarks" / "state.sh").read_bytes()
    output = lab.as_root(name, "sh -s", text).decode(errors="replace")
    return {RELEASE.sub(r"RELEASE-\1", line) for line in output.splitlines()}


def differences() -> list[str]:
    """What only one of the hosts has."""
    ours, theirs = state(lab.GROUNDCREW), state(lab.SCRIPT)
    lines = [f"only groundcrew: {line}" for line in sorted(ours - theirs)]
    return lines + [f"only script:     {line}" for line in sorted(theirs - ours)]


def answers(name: str) -> dict[str, int]:
    """The status that each application's health path has through nginx, from outside."""
    found = {}
    for manifest in sorted((lab.ROOT / "apps").glob("*.yml")):
        app = yaml.safe_load(manifest.read_text(encoding="utf-8"))
        answer = requests.get(
            f"http://{lab.address(name)}{app['health']['path']}",
            headers={"Host": app["domains"][0]},
            timeout=10,
        )
        found[manifest.stem] = answer.status_code
    return found
