"""Finds what an application has left on a host that is not to run it any more, and removes it.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"app": name, "purge":
bool, "remove": bool}. Without `purge`, what cannot be made again stays: `shared` with uploads and
databases, generated secrets, the release log, nginx's logs, and the user whose files these are (its
number must not become somebody else's). Prints one line of JSON before anything is removed: a list
of [kind, name]. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import json
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

SRV = Path("/srv")
RUN = Path("/run/groundcrew")
SYSTEM = Path("/etc/systemd/system")
PROPERTIES = Path("/run/systemd/system.control")
TMPFILES = Path("/etc/tmpfiles.d")
CERTBOT = Path("/etc/letsencrypt/renewal")
LOGS = Path("/var/log/nginx")
MARK = "# Managed by groundcrew: "
MADE_AGAIN = (
    *("releases", "environments", "code", "build", "cache", "static", "frontend", "maintenance"),
    *("current", "history.json", "steps"),
)
"""What a new release makes anew, in the application's directory."""
Item = tuple[str, str]


def units(app: str) -> list[str]:
    """The application's units, running or not; what others have written is not among them."""
    mount = f"run-groundcrew-apps-{app}.mount".replace(app, app.replace("-", "\\x2d"))
    names = (f"{app}@*.service", f"{app}.*@*.service", f"{app}.*@*.timer", f"{app}.socket", mount)
    return sorted(path.name for name in names for path in SYSTEM.glob(name) if is_ours(path))


def is_ours(path: Path) -> bool:
    """Whether it is a unit that a release has brought."""
    try:
        return path.read_text(encoding="utf-8").startswith(MARK)
    except (OSError, UnicodeDecodeError):
        return False


def paths(app: str, purge: bool) -> list[Path]:
    """Files and directories, of those that are there."""
    root = SRV / app
    if not (root / "releases.log").is_file() and not (root / "releases").is_dir():
        return []
    found = [TMPFILES / f"groundcrew-{app}.conf", TMPFILES / f"groundcrew-{app}.current.conf"]
    found += [RUN / "nginx" / app, RUN / "apps" / app, *sorted(PROPERTIES.glob(f"{app}@*.d"))]
    if purge:
        found += [root, *sorted(LOGS.glob(f"{app}.access.log*"))]
        found += sorted(LOGS.glob(f"{app}.error.log*"))
    else:
        found += [root / name for name in MADE_AGAIN]
    return [path for path in found if path.is_symlink() or path.exists()]


def users(app: str, purge: bool) -> list[str]:
    """The application's users, by the homes that they were made with."""
    homes = {f"{app}-build": f"/srv/{app}/cache", app: f"/srv/{app}/shared/home"}
    names = list(homes) if purge else [f"{app}-build"]
    return [item.pw_name for item in pwd.getpwall() if homes.get(item.pw_name) == item.pw_dir
            and item.pw_name in names]  # fmt: skip


def groups(app: str, gone: list[str]) -> list[str]:
    """Its groups, each of which goes with a user."""
    names = [f"{app}-build"] if f"{app}-build" in gone else []
    names += [app, f"{app}-web"] if app in gone else []
    return [item.gr_name for item in grp.getgrall() if item.gr_name in names]


def remains(app: str, purge: bool) -> list[Item]:
    """Everything, in the order in which it is removed."""
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
    """Stops what runs, then takes everything away. Raises CalledProcessError where it cannot."""
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
        # It follows no link that is put there meanwhile, and no depth is too much for it.
        run("rm", "-rf", "--", path)
    for name in of.get("user", []):
        run("userdel", name)
    for name in of.get("group", []):
        # A user's own group has gone with it.
        if any(item.gr_name == name for item in grp.getgrall()):
            run("groupdel", name)
    if of.get("group"):
        # Workers of nginx keep their groups' numbers, which new groups get, until there are others.
        run("systemctl", "try-reload-or-restart", "nginx.service", check=False)


def run(*command: str, check: bool = True) -> None:
    """A command; what it says is shown where it fails."""
    subprocess.run(command, check=check, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=None if check else subprocess.DEVNULL)  # fmt: skip


def main() -> int:
    """Prints what there is, and removes it where that is asked for."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    items = remains(request["app"], request["purge"])
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
