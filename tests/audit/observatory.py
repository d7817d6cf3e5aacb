"""MDN's HTTP Observatory, pinned by its package-lock.json, asking lab hosts by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from groundcrew.tool import HOME
from tests.audit.gate import NotCheckedError

FILES = Path(__file__).with_name("observatory")
PACKAGE = "node_modules/@mdn/mdn-http-observatory"
# What its install scripts would fetch: sites that browsers know for HTTPS only, and names of sites.
DATA = {"hsts-preload.json": "{}", "tld-list.json": '["test"]'}


@cache
def directory() -> Path:
    """Where it is installed; made anew when the lock changes."""
    digest = hashlib.sha256((FILES / "package-lock.json").read_bytes()).hexdigest()[:12]
    place = HOME / f"observatory-{digest}"
    done = place / "installed"
    if not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(FILES, place)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=300)
        for name, text in DATA.items():
            (place / PACKAGE / "conf" / name).write_text(text)
        done.touch()
    return place


def scan(name: str, address: str, ca: Path) -> dict[str, Any]:
    """Its report on a site: `scan` with score and grade, and `tests`. Raises NotCheckedError."""
    place = directory()
    env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    env |= {"NODE_EXTRA_CA_CERTS": str(ca), "AUDIT_NAMES": f"{name}={address}"}
    done = subprocess.run(
        ["node", "--require", str(FILES / "names.cjs"), str(place / PACKAGE / "src/scan.js"), name],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise NotCheckedError(f"observatory: {done.stdout}{done.stderr}") from error
    if "scan" not in result or result["scan"]["error"] or result["scan"]["statusCode"] != 200:
        raise NotCheckedError(f"observatory: {result}")
    return result


def lost(report: dict[str, Any]) -> list[str]:
    """What costs points."""
    return [
        f"{test}: {verdict['result']}"
        for test, verdict in report["tests"].items()
        if verdict["scoreModifier"] < 0
    ]
