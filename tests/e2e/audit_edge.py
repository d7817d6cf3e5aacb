"""Sites for auditors of the web edge: each kind of server, over plain HTTP and over HTTPS."""

from __future__ import annotations

import json
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.audit.sender import SECRET, Target
from tests.e2e.harness import ROOT, LabHost, inside
from tests.e2e.test_sources import Project

KINDS: dict[str, dict[str, Any]] = {
    "probe-sync": {"server": {"worker_class": "sync", "workers": 2}},
    "probe-uvicorn": {"server": {"worker_class": "uvicorn", "workers": 1}, "entry": "probe:asgi"},
    "probe-uwsgi": {"server": {"type": "uwsgi", "processes": 1, "threads": 2}},
}
LIMITED = "probe"
HEADERS = {"probe-sync-tls": "strict"}
"""Sets of response headers; the others have scripts in their page."""
HSTS = {"max_age": 63072000, "include_subdomains": True}
TLS = {"certificate": {"type": "self-signed"}, "hsts": HSTS}
DECOYS = """
for app in {apps}; do
    for root in /srv/$app/static /srv/$app/frontend/current/front /srv/$app/shared/media; do
        mkdir -p $root/.git $root/.svn $root/sub
        for file in .git/config .git/HEAD .env .htaccess .htpasswd .svn/entries .DS_Store sub/.env \
                .page.css.swp page.css~ page.css.bak page.css.orig page.css.swp page.css.save \
                page.css.old '#page.css#'; do
            # Among uploaded files such a name is the visitor's.
            case $root/$file in */media/page*|*/media/#*) continue ;; esac
            echo {secret} > "$root/$file"
        done
        chmod -R o+rX $root
    done
    ln -sfn /etc/passwd /srv/$app/shared/media/link.txt
    ln -sfn /etc /srv/$app/shared/media/linked
    echo {secret} > /srv/$app/shared/secret.txt
    chmod 644 /srv/$app/shared/secret.txt
done
"""


@dataclass
class Edge:
    """A host with all of these sites."""

    host: LabHost
    project: Project

    @property
    def ca(self) -> Path:
        """Root of the lab's certificates."""
        return self.project.root / ".groundcrew/ca/ca.pem"

    def target(self, app: str) -> Target:
        """Where an application's site is."""
        tls = ssl.create_default_context(cafile=str(self.ca)) if app.endswith("-tls") else None
        return Target(f"{app}.test", self.host.address, tls)

    def passed(self, app: str) -> list[tuple[str, str]]:
        """Method and target of the requests that nginx passed to the application."""
        log = inside(self.host, f"cat /var/log/nginx/{app}.access.log").splitlines()
        requested = [line.split('"')[1].split() for line in log if 'upstream="-"' not in line]
        return [(parts[0], parts[1]) for parts in requested if len(parts) > 1]

    def seen(self, app: str) -> list[dict[str, Any]]:
        """Requests that the application saw."""
        text = inside(self.host, f"cat /srv/{app}/shared/seen/requests")
        return [json.loads(line) for line in text.splitlines()]

    def statuses(self) -> set[int]:
        """All that nginx has answered."""
        logged = inside(self.host, "cat /var/log/nginx/*access.log | cut -d'\"' -f3")
        return {int(line.split()[0]) for line in logged.splitlines() if line.strip()}


def applications() -> list[str]:
    """Those that get hostile requests, as many as there are: they have no limits."""
    return [*KINDS, *(f"{kind}-tls" for kind in KINDS)]


def make(host: LabHost, folder: Path) -> Edge:
    """Deploys them, and `probe` with the limits that every application has."""
    project = Project(folder, host)
    names = [*applications(), LIMITED]
    shutil.copytree(ROOT / "tests" / "audit" / "probe", project.root / "probe")
    for name in names:
        kind = KINDS.get(name.removesuffix("-tls"), KINDS["probe-sync"])
        project.app(
            name,
            source={"directory": "probe"},
            requirements=False,
            shared=["seen"],
            static={"path": "static"},
            media={"path": "media"},
            frontend={"directory": "web", "build": "none", "url": "/front/"},
            **{"entry": "probe:app", **kind},
            nginx={"limits": name == LIMITED, "header_set": HEADERS.get(name, "baseline")},
            env={} if name in HEADERS else {"INLINE": "1"},
            tls=TLS if name.endswith("-tls") else None,
        )
    run = project.deploy(*names)
    assert run.status == 0, run.stderr
    inside(host, DECOYS.format(apps=" ".join(names), secret=SECRET.decode()))
    return Edge(host, project)
