"""Builds a front end from its lockfile, in a copy of its directory.

Runs as `python3 -c SCRIPT JSON`, on a host as the build user or on the operator's machine. The
argument: {"source": directory of package.json, "target": destination of the built files, "store":
directory of earlier results, "key": name of this one, "output": directory that the command writes
to, relative to `source`, "command", "env": {...}, "registry": address or null, "npm_cache":
directory or null, "skip": [names that are not copied]}.

The result depends only on the copy, so it is the same for the same `key`: nothing is built twice.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
LINES_SHOWN = 30
KEPT = 3
"""Number of newest results to keep."""


class FrontendError(Exception):
    """The front end cannot be built; the message says why."""


def rewrite(lock: dict[str, Any], registry: str) -> int:
    """Points a lockfile's packages to another registry; returns how many it changed.

    npm uses the host named in the lockfile, whatever registry is configured. Checksums stay, so
    that another registry cannot supply other packages.
    """
    return sum(
        _lead(name.rpartition("node_modules/")[2], item, registry)
        for name, item in lock.get("packages", {}).items()
    ) + _rewrite_nested(lock.get("dependencies", {}), registry)


def _rewrite_nested(items: dict[str, Any], registry: str) -> int:
    return sum(
        _lead(name, item, registry) + _rewrite_nested(item.get("dependencies", {}), registry)
        for name, item in items.items()
    )


def _lead(key: str, item: dict[str, Any], registry: str) -> int:
    """Points one package to the registry, if it comes from a registry; returns 1 if it did.
    Packages that a project takes from elsewhere stay."""
    name = item.get("name", key)
    version = item.get("version", "")
    alias = re.match(r"npm:(.+)@([^@]+)$", version)
    if alias:
        name, version = alias.groups()
    source = urlsplit(str(item.get("resolved", "")))
    file = f"{name.rpartition('/')[2]}-{version}.tgz"
    path = unquote(source.path)
    if source.scheme not in ("http", "https") or f"/{name}/" not in path:
        return 0
    if path.rpartition("/")[2] != file:
        return 0
    item["resolved"] = f"{registry.rstrip('/')}/{name}/-/{file}"
    return 1


def together(
    command: list[str],
    environment: dict[str, str],
    folder: Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command without input; its output and errors are combined in one text."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def run(step: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Runs a command and prints its output if it fails. Raises FrontendError."""
    print(f"--> {step}", flush=True)
    done = together(command, environment, folder)
    if done.returncode != 0:
        # npm ends with its usage, which would hide the reason.
        reason = re.split(r"^npm err\S* Usage:$", done.stdout, flags=re.MULTILINE | re.IGNORECASE)
        print("\n".join(reason[0].splitlines()[-LINES_SHOWN:]), flush=True)
        raise FrontendError(
            f"{step}: exit status {done.returncode}{wanted_node(folder, environment)}"
        )


def wanted_node(folder: Path, environment: dict[str, str]) -> str:
    """A hint with the version of Node.js that package.json asks for and the one in use; empty if it
    asks for none. npm only warns about `engines`, and failures rarely mention them."""
    try:
        manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        wanted = manifest["engines"]["node"]
        version = together(["node", "--version"], environment, folder).stdout.strip()
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f" (with Node.js {version}; package.json asks for {wanted}: see frontend.node)"


def build(spec: dict[str, Any], folder: Path) -> Path:
    """Builds in `folder`; returns the directory of the built files. Raises FrontendError."""
    work = folder / "source"
    skipped = shutil.ignore_patterns("node_modules", *spec["skip"])
    shutil.copytree(spec["source"], work, symlinks=True, ignore=skipped)
    for name in LOCKS:
        lock = work / name
        if spec["registry"] and lock.exists():
            content = json.loads(lock.read_text(encoding="utf-8"))
            count = rewrite(content, spec["registry"])
            lock.write_text(json.dumps(content, indent=2), encoding="utf-8")
            print(f"--> {name}: {count} packages from {spec['registry']}", flush=True)
    environment = dict(os.environ)
    quiet = {"audit": "false", "fund": "false", "progress": "false", "update_notifier": "false"}
    if spec["registry"]:
        quiet["registry"] = spec["registry"]
    if spec["npm_cache"]:
        quiet["cache"] = spec["npm_cache"]
    environment.update({f"npm_config_{name}": value for name, value in quiet.items()})
    if not shutil.which("npm"):
        raise FrontendError("there is no npm on this machine")
    # Bundlers are development dependencies.
    run("npm ci", ["npm", "ci", "--include=dev"], work, environment)
    environment.update({"NODE_ENV": "production", **spec["env"]})
    environment["PATH"] = f"{work}/node_modules/.bin:{environment['PATH']}"
    run(spec["command"], ["sh", "-c", spec["command"]], work, environment)
    output = work / str(spec["output"])
    if not output.is_dir() or not any(output.iterdir()):
        raise FrontendError(f"{spec['command']} made no files in {spec['output']}")
    return output


def main() -> int:
    """Builds the front end, or reuses an earlier result, and copies it to the target."""
    spec = json.loads(sys.argv[1])
    store = Path(spec["store"])
    result = store / spec["key"]
    try:
        store.mkdir(parents=True, exist_ok=True)
        if result.is_dir():
            print("--> built before", flush=True)
        else:
            with TemporaryDirectory(dir=store, prefix=".build-") as folder:
                build(spec, Path(folder)).rename(result)
        os.utime(result)
        target = Path(spec["target"])
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(result, target, symlinks=True)
        results = [item for item in store.iterdir() if not item.name.startswith(".")]
        for old in sorted(results, key=lambda item: -item.stat().st_mtime)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    except (FrontendError, OSError, shutil.Error, ValueError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
