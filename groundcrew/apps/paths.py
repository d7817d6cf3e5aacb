"""Where everything of an application lives on a host: computed here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

CERTIFICATES = "/etc/ssl/groundcrew"
"""What nginx needs for HTTPS, by application; only root can enter."""

CHALLENGES = "/var/lib/groundcrew-acme"
"""Files by which ACME directories see whose the domains are."""

RUN = "/run/groundcrew"
UPSTREAMS = f"{RUN}/nginx"
"""Links that lead nginx to sockets, by application; only root can change them."""

SOCKETS = f"{RUN}/apps"
"""Mount points of the applications' own runtime directories."""

HOOKS_PART = "release-hooks"
"""Where the names of workers and timers stand in units, the release hooks have this."""

RELEASE_ID = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}"
"""What a release is named: the time, and the beginning of its digest."""


def certificate_directory(name: str) -> str:
    """Where nginx finds `fullchain.pem` and `privkey.pem` of an application: a link, so that its
    configuration is the same wherever the certificate comes from."""
    return f"{CERTIFICATES}/{name}"


@dataclass(frozen=True)
class AppPaths:
    """Paths and names that follow from an application's name."""

    name: str

    @property
    def root(self) -> str:
        """Everything of the application."""
        return f"/srv/{self.name}"

    @property
    def releases(self) -> str:
        """One directory per release."""
        return f"{self.root}/releases"

    @property
    def shared(self) -> str:
        """What outlives releases."""
        return f"{self.root}/shared"

    @property
    def home(self) -> str:
        """The application user's home directory."""
        return f"{self.shared}/home"

    @property
    def cache(self) -> str:
        """Package cache of builds; on the same file system, so that builds can link from it."""
        return f"{self.root}/cache"

    @property
    def builds(self) -> str:
        """Where builds work: nothing in it is used before root has copied and checked it."""
        return f"{self.root}/build"

    @property
    def environments(self) -> str:
        """Finished virtualenvs, by what they are made of; root's, shared by releases."""
        return f"{self.root}/environments"

    @property
    def code(self) -> str:
        """Finished code, by what it is made of; root's, shared by releases."""
        return f"{self.root}/code"

    @property
    def secrets(self) -> str:
        """Values that the host has made up, one file each; only root can read them."""
        return f"{self.root}/secrets"

    @property
    def current(self) -> str:
        """Link to the live release's directory."""
        return f"{self.root}/current"

    @property
    def runtime(self) -> str:
        """The application's sockets, in a small file system of its own on which no symbolic link is
        followed: it cannot lead nginx to another application's socket, nor fill /run."""
        return f"{SOCKETS}/{self.name}"

    @property
    def runtime_mount(self) -> str:
        """Unit that mounts it."""
        escaped = self.name.replace("-", "\\x2d")
        return f"{SOCKETS.strip('/').replace('/', '-')}-{escaped}.mount"

    @property
    def upstreams(self) -> str:
        """Root's links that lead nginx to the sockets of the live release."""
        return f"{UPSTREAMS}/{self.name}"

    @property
    def static(self) -> str:
        """Static files of the live release, and of replaced ones for a while."""
        return f"{self.root}/static"

    @property
    def frontend(self) -> str:
        """Front ends: `releases/ID/`, `current`, a link to the live one's, and `kept/`, assets that
        pages of earlier ones still ask for. Files lie at the paths of their URLs."""
        return f"{self.root}/frontend"

    @property
    def fallback(self) -> str:
        """Socket that nginx uses while `upstream` refuses: the release before, until it retires."""
        return f"{self.upstreams}/previous.sock"

    @property
    def held(self) -> str:
        """Socket that systemd holds, with the strategy `restart`."""
        return f"{self.upstreams}/held.sock"

    @property
    def log(self) -> str:
        """One line of JSON per release, rollback and failure; only ever appended to."""
        return f"{self.root}/releases.log"

    @property
    def maintenance(self) -> str:
        """What nginx reads for the application's maintenance mode, and nothing else."""
        return f"{self.root}/maintenance"

    @property
    def maintenance_page(self) -> str:
        """The page that visitors get."""
        return f"{self.maintenance}/page.html"

    @property
    def maintenance_flag(self) -> str:
        """While this file exists, they get it; it says who switched maintenance on, and when."""
        return f"{self.maintenance}/on"

    @property
    def lock(self) -> str:
        """Held by the run that is releasing; who that is stands in it. Root's alone: whoever can
        open a file can lock it."""
        return f"{self.root}/lock"

    @property
    def steps(self) -> str:
        """Held by every step that is at work: the next run waits until none is left."""
        return f"{self.root}/steps"

    @property
    def history(self) -> str:
        """Which releases have served, in order, and which were taken back."""
        return f"{self.root}/history.json"

    @property
    def socket_unit(self) -> str:
        """Unit of the socket that systemd holds."""
        return f"{self.name}.socket"

    @property
    def user(self) -> str:
        """System user that runs the application."""
        return self.name

    @property
    def build_user(self) -> str:
        """System user that runs builds: a package's build script can neither change what is
        finished nor read the application's secrets and data."""
        return f"{self.name}-build"

    @property
    def build_group(self) -> str:
        """Group that may read finished code and environments: the build user's own, in which the
        application's user is too."""
        return f"{self.name}-build"

    @property
    def build_unit(self) -> str:
        """Unit in which a build runs, and ends with everything that it has started."""
        return f"groundcrew-build-{self.name}.service"

    @property
    def socket_group(self) -> str:
        """Group whose members (nginx) may connect to the application's sockets."""
        return f"{self.name}-web"

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every user and group that exists for the application."""
        return (self.user, self.build_user, self.socket_group)

    @property
    def tmpfiles(self) -> str:
        """Makes the directory of nginx's links at boot."""
        return f"/etc/tmpfiles.d/groundcrew-{self.name}.conf"

    @property
    def boot_conf(self) -> str:
        """Makes the link to the live release's socket at boot; after the directory, by name."""
        return f"/etc/tmpfiles.d/groundcrew-{self.name}.current.conf"

    @property
    def passing(self) -> str:
        """Link to the part of nginx's configuration that passes requests to the live release:
        `NAME.http` or `NAME.uwsgi` beside it, by the protocol that the release speaks."""
        return f"/etc/nginx/groundcrew/passing/{self.name}.conf"

    def upstream(self, instance: int = 1) -> str:
        """Socket that nginx connects to: a link to that of an instance of the live release."""
        return f"{self.upstreams}/current{_number(instance)}.sock"

    def uwsgi_upstream(self, instance: int = 1) -> str:
        """The same for a release that speaks uWSGI's protocol. A path for each protocol keeps nginx
        from speaking the wrong one while `server.type` changes."""
        return f"{self.upstreams}/current{_number(instance)}.uwsgi.sock"

    def release(self, release: str) -> str:
        """Directory of one release."""
        return f"{self.releases}/{release}"

    def hooks_done(self, release: str) -> str:
        """File that says that the release hooks have run."""
        return f"{self.release(release)}/hooks-done"

    def uwsgi_config(self, release: str) -> str:
        """uWSGI's configuration; only a release that speaks uWSGI's protocol has one."""
        return f"{self.release(release)}/uwsgi.ini"

    def socket(self, release: str, instance: int = 1) -> str:
        """Socket of one instance of a release."""
        return f"{self.runtime}/{release}{_number(instance)}.sock"

    def unit(self, release: str, instance: int = 1) -> str:
        """Systemd unit of one instance of a release."""
        return f"{self.name}@{release}{_number(instance)}.service"

    def unit_file(self, release: str, instance: int = 1) -> str:
        """File of that unit."""
        return f"/etc/systemd/system/{self.unit(release, instance)}"

    def hooks_unit(self, release: str) -> str:
        """Unit that runs the release hooks; no worker or timer has that name."""
        return f"{self.name}.{HOOKS_PART}@{release}.service"

    def worker_unit(self, worker: str, release: str, instance: int) -> str:
        """Unit of one instance of a background worker."""
        return f"{self.name}.{worker}@{release}.{instance}.service"

    def part_lock(self, name: str) -> str:
        """Held by the one process of a worker or timer of which there is only one."""
        return f"{self.runtime}/{name}.lock"

    def part(self, unit: str) -> str:
        """The name of the worker or timer that a unit is of; empty for others."""
        head, found, _ = unit.partition("@")
        return head.removeprefix(f"{self.name}.") if found and head != self.name else ""

    def timer_unit(self, timer: str, release: str, kind: str) -> str:
        """Unit of a scheduled command; `kind` is `timer` or `service`."""
        return f"{self.name}.{timer}@{release}.{kind}"


def _number(instance: int) -> str:
    """The first instance has none: with one alone, nothing tells of instances."""
    return "" if instance == 1 else f".{instance}"
