"""Finds and removes what an application has left on a host that no longer runs it.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"app": name, "purge":
bool, "remove": bool}. Without `purge`, data that cannot be recreated stays: `shared` with uploads
and databases, generated secrets, the release log, nginx's logs, and the user that owns them (its
uid must not be reused). Prints one line of JSON before anything is removed: a list of [kind, name].
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import json
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

from groundcrew.remote.maintenance_metric import metric_path

SRV = Path("/srv")
RUN = Path("/run/groundcrew")
SYSTEM = Path("/etc/systemd/system")
PROPERTIES = Path("/run/systemd/system.control")
TMPFILES = Path("/etc/tmpfiles.d")
CERTBOT = Path("/etc/letsencrypt/renewal")
KNOWN = Path("/etc/groundcrew/apps")
LOGS = Path("/var/log/nginx")
MARK = "# Managed by groundcrew: "
MADE_AGAIN = (
    *("releases", "environments", "code", "build", "cache", "static", "frontend", "maintenance"),
    *("current", "history.json", "steps"),
)
"""Entries of the application's directory that a new release recreates."""
Item = tuple[str, str]


def units(app: str) -> list[str]:
    """The application's units, running or not; units that groundcrew did not write are left out."""
    mount = f"run-groundcrew-apps-{app}.mount".replace(app, app.replace("-", "\\x2d"))
    names = (f"{app}@*.service", f"{app}.*@*.service", f"{app}.*@*.timer", f"{app}.socket", mount,
             f"groundcrew-await-{app}.service", f"groundcrew-health-{app}.service")  # fmt: skip
    return sorted(path.name for name in names for path in SYSTEM.glob(name) if is_ours(path))


def is_ours(path: Path) -> bool:
    """Whether the file is a unit written by groundcrew."""
    try:
        return path.read_text(encoding="utf-8").startswith(MARK)
    except (OSError, UnicodeDecodeError):
        return False


def paths(app: str, purge: bool) -> list[Path]:
    """The application's files and directories that exist."""
    root = SRV / app
    if not (root / "releases.log").is_file() and not (root / "releases").is_dir():
        return []
    places = [Path(metric_path(app)), KNOWN / f"{app}.json", TMPFILES / f"groundcrew-{app}.conf"]
    places += [TMPFILES / f"groundcrew-{app}.current.conf"]
    places += [RUN / "nginx" / app, RUN / "apps" / app, *sorted(PROPERTIES.glob(f"{app}@*.d"))]
    # Drop-ins of an application that is stopped.
    places += [SYSTEM / f"{unit}.d" for unit in units(app)]
    if purge:
        places += [root, *sorted(LOGS.glob(f"{app}.access.log*"))]
        places += sorted(LOGS.glob(f"{app}.error.log*"))
    else:
        places += [root / name for name in MADE_AGAIN]
    return [path for path in places if path.is_symlink() or path.exists()]


def users(app: str, purge: bool) -> list[str]:
    """The application's users, recognised by the homes that they were created with."""
    homes = {f"{app}-build": f"/srv/{app}/cache", app: f"/srv/{app}/shared/home"}
    names = list(homes) if purge else [f"{app}-build"]
    return [item.pw_name for item in pwd.getpwall() if homes.get(item.pw_name) == item.pw_dir
            and item.pw_name in names]  # fmt: skip


def groups(app: str, gone: list[str]) -> list[str]:
    """The application's groups; each is removed with a user."""
    names = [f"{app}-build"] if f"{app}-build" in gone else []
    names += [app, f"{app}-web"] if app in gone else []
    return [item.gr_name for item in grp.getgrall() if item.gr_name in names]


def remains(app: str, purge: bool) -> list[Item]:
    """Everything to remove, in that order."""
    gone = users(app, purge)
    certificate = [app] if (CERTBOT / f"{app}.conf").exists() and paths(app, purge) else []
    return [
        *(("unit", name) for name in units(app)),
        *(("certificate", name) for name in certificate),
        *(("path", str(path)) for path in paths(app, purge)),
        *(("user", name) for name in gone),
        *(("group", name) for name in groups(app, gone)),
    ]


def remove(items: list[Item]) -> None:
    """Stops units, then removes everything. Raises OSError or CalledProcessError if that fails."""
    of = {kind: [name for other, name in items if other == kind] for kind, _ in items}
    names = of.get("unit", [])
    if names:
        # Timers and sockets first: they would start the others again.
        first = [name for name in names if not name.endswith(".service")]
        for some in (first, names):
            if some:
                run("systemctl", "disable", "--quiet", *some, check=False)
                run("systemctl", "stop", *some)
        for name in names:
            (SYSTEM / name).unlink()
        run("systemctl", "daemon-reload")
        run("systemctl", "reset-failed", *names, check=False)
    for name in of.get("certificate", []):
        run("certbot", "delete", "--non-interactive", "--quiet", "--cert-name", name)
    for path in of.get("path", []):
        # rm follows no link that is put there meanwhile, and handles any depth.
        run("rm", "-rf", "--", path)
    for name in of.get("user", []):
        run("userdel", name)
    for name in of.get("group", []):
        # userdel has removed the user's own group.
        if any(item.gr_name == name for item in grp.getgrall()):
            run("groupdel", name)
    if of.get("group"):
        # nginx's workers keep their gids, which new groups may get, until they are replaced.
        run("systemctl", "try-reload-or-restart", "nginx.service", check=False)


def run(*command: str, check: bool = True) -> None:
    """Runs a command; with `check`, its errors are shown. Raises CalledProcessError."""
    subprocess.run(command, check=check, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=None if check else subprocess.DEVNULL)  # fmt: skip


def main() -> int:
    """Prints what was found, and removes it if requested."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    items: list[Item] = remains(request["app"], request["purge"])
    print(json.dumps(items), flush=True)
    if request["remove"]:
        try:
            remove(items)
        except (OSError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
