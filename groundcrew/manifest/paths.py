"""Paths, sockets and units of an application on a host.

Programs in `groundcrew/remote` repeat some of these paths: change both.
"""

from __future__ import annotations

from dataclasses import dataclass

CERTIFICATES = "/etc/ssl/groundcrew"
"""Certificates and keys for nginx, by application. Only root may enter."""

CHALLENGES = "/var/lib/groundcrew-acme"
"""Challenge files of ACME (HTTP-01)."""

RUN = "/run/groundcrew"
UPSTREAMS = f"{RUN}/nginx"
"""Links to the sockets that nginx connects to, by application. Only root can change them."""

SOCKETS = f"{RUN}/apps"
"""Mount points of the applications' runtime directories."""

HOOKS_PART = "release-hooks"
"""Unit name part of the release hooks, in the place of a worker's or timer's name."""

RELEASE_ID = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}"
"""Release ID: the time, and the beginning of the release's digest."""


def certificate_directory(name: str) -> str:
    """Directory of `fullchain.pem` and `privkey.pem`. It is a link, so that nginx's configuration
    does not depend on where the certificate comes from."""
    return f"{CERTIFICATES}/{name}"


@dataclass(frozen=True)
class AppPaths:
    """Paths and names derived from an application's name."""

    name: str

    @property
    def root(self) -> str:
        """Directory of everything that belongs to the application."""
        return f"/srv/{self.name}"

    @property
    def releases(self) -> str:
        """Directory with a directory for each release."""
        return f"{self.root}/releases"

    @property
    def shared(self) -> str:
        """Directory of data that is kept across releases."""
        return f"{self.root}/shared"

    @property
    def home(self) -> str:
        """The application user's home directory."""
        return f"{self.shared}/home"

    @property
    def cache(self) -> str:
        """Package cache of builds. It is on the same file system, so that builds can hard-link from
        it."""
        return f"{self.root}/cache"

    @property
    def builds(self) -> str:
        """Working directory of builds. Nothing in it is used before root has copied and checked
        it."""
        return f"{self.root}/build"

    @property
    def environments(self) -> str:
        """Finished virtualenvs by digest, owned by root and shared by releases."""
        return f"{self.root}/environments"

    @property
    def code(self) -> str:
        """Finished code by digest, owned by root and shared by releases."""
        return f"{self.root}/code"

    @property
    def await_unit(self) -> str:
        """Unit that waits at boot until the services of other hosts answer."""
        return f"groundcrew-await-{self.name}.service"

    @property
    def secrets(self) -> str:
        """Generated secrets, one file each, readable by root only."""
        return f"{self.root}/secrets"

    @property
    def current(self) -> str:
        """Link to the live release's directory."""
        return f"{self.root}/current"

    @property
    def runtime(self) -> str:
        """Directory of the application's sockets: a small file system that does not follow symbolic
        links. The application can neither redirect nginx to another application's socket nor fill
        /run."""
        return f"{SOCKETS}/{self.name}"

    @property
    def runtime_mount(self) -> str:
        """Mount unit of `runtime`."""
        escaped = self.name.replace("-", "\\x2d")
        return f"{SOCKETS.strip('/').replace('/', '-')}-{escaped}.mount"

    @property
    def upstreams(self) -> str:
        """Directory of root's links to the sockets of the live release."""
        return f"{UPSTREAMS}/{self.name}"

    @property
    def static(self) -> str:
        """Static files of the live release and, for a while, of replaced ones."""
        return f"{self.root}/static"

    @property
    def frontend(self) -> str:
        """Files of front ends: `releases/ID/`, the link `current` to the live one, and `kept/` with
        assets that open pages of earlier releases still request. Files lie at the paths of their
        URLs."""
        return f"{self.root}/frontend"

    @property
    def fallback(self) -> str:
        """Socket that nginx uses while `upstream` refuses connections: that of the previous
        release, until it is retired."""
        return f"{self.upstreams}/previous.sock"

    @property
    def held(self) -> str:
        """Socket that systemd holds for the strategy `restart`."""
        return f"{self.upstreams}/held.sock"

    @property
    def log(self) -> str:
        """Append-only log: one line of JSON per release, rollback and failure."""
        return f"{self.root}/releases.log"

    @property
    def maintenance(self) -> str:
        """Directory that nginx reads for maintenance mode and `stopped`. It contains nothing
        else."""
        return f"{self.root}/maintenance"

    @property
    def maintenance_page(self) -> str:
        """The page that visitors get during maintenance."""
        return f"{self.maintenance}/page.html"

    @property
    def maintenance_flag(self) -> str:
        """Flag file: maintenance is on while it exists. It records who switched it on, and when."""
        return f"{self.maintenance}/on"

    @property
    def stopped(self) -> str:
        """File that says that the application is stopped: by whom, since when, and which units ran.
        nginx refuses all requests while it exists, and the application's units do not start."""
        return f"{self.maintenance}/stopped"

    @property
    def lock(self) -> str:
        """Lock of the run that is releasing; the file names its holder. It belongs to root: whoever
        can open a file can lock it."""
        return f"{self.root}/lock"

    @property
    def steps(self) -> str:
        """Lock of every running step. The next run waits until all are released."""
        return f"{self.root}/steps"

    @property
    def history(self) -> str:
        """The releases that have served, in order, and those that were rolled back."""
        return f"{self.root}/history.json"

    @property
    def socket_unit(self) -> str:
        """Unit of the `held` socket."""
        return f"{self.name}.socket"

    @property
    def user(self) -> str:
        """System user that runs the application."""
        return self.name

    @property
    def build_user(self) -> str:
        """System user that runs builds. A package's build script can neither change finished builds
        nor read the application's secrets and data."""
        return f"{self.name}-build"

    @property
    def build_group(self) -> str:
        """Group that may read finished code and virtualenvs: the build user's own group, which the
        application's user is a member of."""
        return f"{self.name}-build"

    @property
    def build_unit(self) -> str:
        """Unit that runs a build, and stops all its processes when the build ends."""
        return f"groundcrew-build-{self.name}.service"

    @property
    def socket_group(self) -> str:
        """Group whose members (nginx) may connect to the application's sockets."""
        return f"{self.name}-web"

    @property
    def accounts(self) -> tuple[str, ...]:
        """All names of users and groups of the application."""
        return (self.user, self.build_user, self.socket_group)

    @property
    def tmpfiles(self) -> str:
        """tmpfiles.d file that creates the directory of nginx's links at boot."""
        return f"/etc/tmpfiles.d/groundcrew-{self.name}.conf"

    @property
    def boot_conf(self) -> str:
        """tmpfiles.d file that creates the link to the live release's socket at boot. By its name
        it comes after `tmpfiles`."""
        return f"/etc/tmpfiles.d/groundcrew-{self.name}.current.conf"

    @property
    def passing(self) -> str:
        """Link to the part of nginx's configuration that passes requests to the live release:
        `NAME.http` or `NAME.uwsgi` in the same directory, by the release's protocol."""
        return f"/etc/nginx/groundcrew/passing/{self.name}.conf"

    def upstream(self, instance: int = 1) -> str:
        """Socket that nginx connects to: a link to the socket of an instance of the live
        release."""
        return f"{self.upstreams}/current{_number(instance)}.sock"

    def uwsgi_upstream(self, instance: int = 1) -> str:
        """The same for a release with the uwsgi protocol. Separate paths keep nginx from using the
        wrong protocol while `server.type` changes."""
        return f"{self.upstreams}/current{_number(instance)}.uwsgi.sock"

    def release(self, release: str) -> str:
        """Directory of one release."""
        return f"{self.releases}/{release}"

    def hooks_done(self, release: str) -> str:
        """File that marks the release hooks as run."""
        return f"{self.release(release)}/hooks-done"

    def uwsgi_config(self, release: str) -> str:
        """uWSGI's configuration. Only releases with the uwsgi protocol have one."""
        return f"{self.release(release)}/uwsgi.ini"

    def socket(self, release: str, instance: int = 1) -> str:
        """Socket of one instance of a release."""
        return f"{self.runtime}/{release}{_number(instance)}.sock"

    def unit(self, release: str, instance: int = 1) -> str:
        """Systemd unit of one instance of a release."""
        return f"{self.name}@{release}{_number(instance)}.service"

    def unit_file(self, release: str, instance: int = 1) -> str:
        """Path of the unit file of that unit."""
        return f"/etc/systemd/system/{self.unit(release, instance)}"

    def hooks_unit(self, release: str) -> str:
        """Unit that runs the release hooks. No worker or timer has this name."""
        return f"{self.name}.{HOOKS_PART}@{release}.service"

    def worker_unit(self, worker: str, release: str, instance: int) -> str:
        """Unit of one instance of a background worker."""
        return f"{self.name}.{worker}@{release}.{instance}.service"

    def part_lock(self, name: str) -> str:
        """Lock of a worker or timer that may run only once."""
        return f"{self.runtime}/{name}.lock"

    def part(self, unit: str) -> str:
        """Name of the worker or timer that a unit belongs to; empty for other units."""
        head, separator, _ = unit.partition("@")
        return head.removeprefix(f"{self.name}.") if separator and head != self.name else ""

    def timer_unit(self, timer: str, release: str, kind: str) -> str:
        """Unit of a scheduled command; `kind` is `timer` or `service`."""
        return f"{self.name}.{timer}@{release}.{kind}"


def _number(instance: int) -> str:
    """Suffix of an instance; empty for the first one."""
    return "" if instance == 1 else f".{instance}"
