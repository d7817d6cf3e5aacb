"""Shell and payloads of the release steps: pure text, so that each can be read and tested."""

from __future__ import annotations

import shlex
from typing import Any

from groundcrew.releases.plan import ReleasePlan

NGINX_CHECK_SECONDS = 15


def build_payload(plan: ReleasePlan, release: str, archive: str | None) -> dict[str, Any]:
    """For `groundcrew/remote/build_release.py`."""
    return {
        "name": plan.paths.name,
        "release": release,
        "archive": archive,
        "user": plan.paths.build_user,
        "uv": plan.toolchain.uv,
        "python": plan.toolchain.python,
        "requirements": plan.requirements.text,
        "require_hashes": plan.requirements.hashed,
        "compile": plan.toolchain.compile,
        "environment": dict(plan.toolchain.environment),
        "hooks": list(plan.app.hooks.build),
        "hook_timeout": plan.app.hooks.timeout,
        "shared": list(plan.app.shared),
        "metadata": {
            "release": release,
            "digest": plan.digest,
            "source": plan.bundle.label,
            "source_digest": plan.bundle.digest,
        },
    }


def run_hooks(plan: ReleasePlan, release: str) -> str:
    """Shell that runs the release hooks once, in the unit's own environment and user."""
    folder = plan.paths.release(release)
    log = f"{folder}/hooks.log"
    lines = ["set -eu", f"test -e {folder}/hooks-done && exit 0", f": > {log}"]
    for command in plan.app.hooks.release:
        options = {
            "User": plan.paths.user,
            "Group": plan.paths.user,
            "WorkingDirectory": f"{folder}/app",
            "EnvironmentFile": f"{folder}/env",
            "RuntimeMaxSec": str(plan.app.hooks.timeout),
            "NoNewPrivileges": "yes",
            "UMask": "0027",
        }
        properties = " ".join(f"--property={key}={value}" for key, value in options.items())
        environment = (
            f"--setenv=PATH={folder}/venv/bin:/usr/local/bin:/usr/bin:/bin "
            f"--setenv=HOME={plan.paths.home}"
        )
        lines += [
            f"echo {shlex.quote('--> hook: ' + command)} | tee -a {log}",
            f"if ! systemd-run --quiet --pipe --wait --collect {properties} {environment} "
            f"sh -c {shlex.quote(command)} >> {log} 2>&1",
            f"then tail -n 40 {log} >&2; echo {shlex.quote('hook failed: ' + command)} >&2; exit 1",
            "fi",
        ]
    lines.append(f"touch {folder}/hooks-done")
    return "\n".join(lines)


def start(plan: ReleasePlan, release: str) -> str:
    """Shell that starts the release's unit; whether it works is the probe's to say."""
    unit = plan.paths.unit(release)
    return (
        f"systemctl daemon-reload && systemctl reset-failed {unit} 2>/dev/null; "
        f"systemctl start --no-block {unit}"
    )


def socket_probe(plan: ReleasePlan, release: str, *, stop: bool) -> dict[str, Any]:
    """Payload of the probe on the release's own socket."""
    unit = plan.paths.unit(release)
    undo = f"systemctl stop {unit}; systemctl reset-failed {unit} 2>/dev/null" if stop else None
    return {
        **_request(plan),
        "socket": plan.paths.socket(release),
        "port": None,
        "timeout": plan.app.health.timeout,
        "successes": plan.app.health.successes,
        "unit": unit,
        "on_failure": undo,
    }


def nginx_probe(plan: ReleasePlan, release: str, previous: str | None) -> dict[str, Any]:
    """Payload of the check through nginx after the switch, which goes back when it fails."""
    undo = None
    if previous:
        undo = f"{switch(plan, previous)}; systemctl stop {plan.paths.unit(release)}"
    return {
        **_request(plan),
        "socket": None,
        "port": plan.app.port,
        "timeout": NGINX_CHECK_SECONDS,
        "successes": 1,
        "unit": None,
        "on_failure": undo,
    }


def _request(plan: ReleasePlan) -> dict[str, Any]:
    health = plan.app.health
    return {
        "host": plan.app.domains[0].replace("*.", "www.") if plan.app.domains else "localhost",
        "path": health.path,
        "status": health.status,
        "interval": health.interval,
        "request_timeout": health.request_timeout,
    }


def boot_links(plan: ReleasePlan, release: str) -> str:
    """The tmpfiles.d text that leads nginx's socket to the release again after a reboot."""
    return f"L+ {plan.paths.upstream} - - - - {release}.sock\n"


def switch(plan: ReleasePlan, release: str) -> str:
    """Shell that makes the release the live one: at the next boot, then for nginx, then on disk.

    nginx is not reloaded: the rename of the link is atomic, and open connections stay.
    """
    paths = plan.paths
    units = "/etc/systemd/system/multi-user.target.wants"
    conf = paths.boot_conf
    return " && ".join(
        [
            f"systemctl enable --quiet {paths.unit(release)}",
            f"printf %s {shlex.quote(boot_links(plan, release))} > {conf}.new",
            f"mv {conf}.new {conf}",
            f"ln -sfn {release}.sock {paths.runtime}/.current.sock",
            f"mv -T {paths.runtime}/.current.sock {paths.upstream}",
            f"ln -sfn releases/{release} {paths.root}/.current",
            f"mv -T {paths.root}/.current {paths.current}",
            f"find {units} -name '{paths.name}@*.service' ! -name {paths.unit(release)} -delete",
        ]
    )


def retire(plan: ReleasePlan, stop: list[str], drain: int) -> str:
    """Shell that lets replaced releases finish what they have, then stops them."""
    units = " ".join(plan.paths.unit(release) for release in stop)
    wait = f"echo 'draining for {drain} s' && sleep {drain} && " if drain else ""
    return f"{wait}systemctl stop {units}"


def remove(plan: ReleasePlan, releases: list[str]) -> str:
    """Shell that removes releases and their units."""
    folders = " ".join(plan.paths.release(release) for release in releases)
    units = " ".join(plan.paths.unit_file(release) for release in releases)
    sockets = " ".join(plan.paths.socket(release) for release in releases)
    return f"rm -rf {folders} && rm -f {units} {sockets} && systemctl daemon-reload"
