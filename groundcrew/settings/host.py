"""The settings that every host has besides those of its roles: its applications and playbook
options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, StringConstraints, field_validator

from groundcrew.bindings import Place
from groundcrew.contract import Brings, Brought, GroupSettings, ProviderSettings, RoleSettings
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.secret import SecretSource
from groundcrew.model import Settings
from groundcrew.partial import VERIFY, Parts, parts
from groundcrew.settings import group_names
from groundcrew.settings.errors import nearest
from groundcrew.settings.secret_store import SecretsSettings
from groundcrew.sites import Site

APPLICATIONS = "app"
"""What the applications and their releases are called among the roles."""


class ShowSettings(Settings):
    """What `playbooks/settings.py` prints; given on the command line."""

    key: str | None = None
    """Block or value to print: `app.shop`, `nginx.gzip`; null: all."""

    changed: bool = False
    """Whether to leave out the values that nobody has set (`--data settings.changed=true`)."""

    explain: str | None = None
    """Setting to explain: its type, its default, its meaning, and who has set it (`--data
    settings.explain=app.shop.server.workers`)."""

    json_output: bool | str = Field(False, alias="json")
    """Whether to print JSON instead of a table; a path: the file on the operator's machine that
    gets it."""


class RunSettings(Settings):
    """What a playbook is asked to do; given on the command line."""

    app: str | None = None
    """Application that the playbook works on (`--data app=shop`); null: all of the host."""

    release: str | None = None
    """Release that the playbook works on (`--data release=ID`); null: the last good one that served
    before the live one."""

    need: str | None = None
    """Need of the application that the playbook works on (`--data need=database`); null: all of
    them."""

    again: str | None = None
    """Application whose release is released again although a rollback has left it (`--data
    again=shop`)."""

    was: str | None = None
    """Old name of the application that `playbooks/rename.py` gives the name `app` (`--data
    was=shop`)."""

    host: str | None = None
    """Host with a replica that `playbooks/promote.py` makes the primary, or to which
    `playbooks/rotate.py` gives new passwords (`--data host=db2`)."""

    restore: str | None = None
    """Name of the application that `playbooks/restore.py` restores, repeated (`--data
    restore=shop`), so that nobody replaces the wrong one. null: it only shows what would be
    replaced."""

    at: datetime | None = None
    """Moment to which `playbooks/restore.py` restores (`--data at="2026-11-22 14:00"`), in UTC
    unless it says otherwise; null: the newest backup."""

    part: str | None = None
    """What `playbooks/restore.py` restores of an application (`--data part=postgresql`, or
    `part=files`), or which replica of `host` is meant (`part=redis.queue`); null: everything."""

    target: str | None = None
    """Target of `backup.targets` that a playbook works with (`--data target=offsite`)."""

    of_host: str | None = None
    """Host whose backups `playbooks/restore.py` restores (`--data of_host=web1`), for example one
    that is lost; null: each host its own."""

    confirm: str | None = None
    """Restore whose replaced data is removed (`--data confirm=20261122t140000`)."""

    kind: Literal["full", "daily", "logs"] = "daily"
    """Kind of backup that `playbooks/backup.py` makes (`--data kind=full`)."""

    only: tuple[str, ...] = ()
    """Roles that deploy.py works on (`--data only=nginx,firewall`), and whose checks decide; empty:
    all. `app` is the applications and their releases. Preflight and verify always run."""

    skip: tuple[str, ...] = ()
    """Roles that deploy.py leaves out (`--data skip=backup`), and whose checks only warn."""

    prepare: bool = False
    """Whether deploy.py leaves out releases and checks (`--data prepare=yes`). Accounts,
    directories and everything else exist afterwards, so that data can be brought before an
    application starts for the first time."""

    maintenance: Literal["on", "off"] | None = None
    """Whether `playbooks/maintenance.py` switches maintenance on or off (`--data
    maintenance=on`)."""

    lines: int | None = Field(None, ge=1, le=10000)
    """Number of lines of each log that are shown (`--data lines=100`); null: 50 lines of an
    application's logs, 10 of its release log."""

    since: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[smhd]$")] | None = None
    """How old the oldest log line may be that is shown (`--data since=10m`), in seconds, minutes,
    hours or days; null: any age."""

    sbom: str | None = None
    """Directory on the operator's machine into which bills of materials are written (`--data
    sbom=sboms`)."""

    output: Literal["quiet", "normal", "verbose"] | None = None
    """How much a run prints (`--data output=quiet`): warnings, failures and the table of hosts;
    roles and what they change; or all that pyinfra prints. It counts on the command line only.
    null: what the environment variable GROUNDCREW_OUTPUT says, or normal."""

    report: str | None = None
    """File on the operator's machine into which the run's report is written (`--data
    report=out/run.html`): a page, with JSON and JUnit XML of the same name beside it."""

    unreachable: Literal["stop", "skip"] = "stop"
    """What a run does if a host is down when it connects: `stop` ends it before anything is
    changed; `skip` leaves the host out, as `--limit` would, and the run exits with 1 when the
    others are done (`--data unreachable=skip`). A host that answers and refuses always stops it."""

    batch: int = Field(1, ge=1)
    """Number of hosts that `playbooks/reboot.py` and `playbooks/upgrade.py` take at the same time,
    after the first one, which goes alone (`--data batch=2`)."""

    down: int = Field(0, ge=0)
    """Number of other hosts that may be down while those playbooks take a host (`--data
    down=1`)."""

    back: int = Field(600, ge=1)
    """Seconds within which those playbooks want a host back after its restart, and then healthy
    (`--data back=120`)."""

    reboot: bool = False
    """Whether `playbooks/upgrade.py` also restarts hosts whose new packages need it (`--data
    reboot=yes`)."""

    purge: str | None = None
    """Name of the application whose data `playbooks/remove.py` deletes too (`--data purge=shop`):
    the same as `app`, so that nobody deletes the wrong one. null: the data stays."""

    @field_validator("only", "skip", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """`nginx,firewall` is a list of names."""
        names = value.split(",") if isinstance(value, str) else value
        return [name.strip() for name in names if name.strip()] if names is not value else value


class StatusSettings(Settings):
    """What `playbooks/status.py` writes; given on the command line."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine into which the state of all hosts is written as JSON; `-`
    for standard output."""


class ReleasesSettings(Settings):
    """What `playbooks/releases.py` writes; given on the command line."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine into which the releases of all hosts are written as JSON; `-`
    for standard output."""


class BackupsSettings(Settings):
    """What `playbooks/backups.py` writes; given on the command line."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine into which the backups of all hosts are written as JSON; `-`
    for standard output."""


class ChecklistSettings(Settings):
    """What `playbooks/checklist.py` writes; given on the command line."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine into which the lines of all hosts are written as JSON; `-`
    for standard output."""


class HostBase(Settings):
    """The part of a host's settings that the engine itself reads."""

    apps: tuple[str, ...] = ()
    """Names of the applications on this host; each has a manifest `apps/NAME.yml`. The lists of
    `group_data/all.py` and of all the host's groups add up; a list in the inventory or in `--data`
    replaces them."""

    servers: tuple[str, ...] = ()
    """Servers of this host besides those that its groups in the inventory are called like:
    `servers = ["postgresql"]` in `group_data/db.py`."""

    apps_without: tuple[str, ...] = ()
    """Names of applications that groups list but that this host, or all hosts of another group,
    must not have."""

    idle: bool | tuple[str, ...] = False
    """Names of those of `apps` that are idle on this host, or true for all of them: they leave it,
    or have not come yet. Other hosts of the inventory have them too. A run of deploy.py moves what
    only one host runs to one of those, lets balancers send them the requests, and then stops the
    applications here. Their data stays."""

    app: dict[str, AppSettings] = Field(default_factory=dict)
    """The applications' settings: the manifests, with what other layers change."""

    secrets: SecretsSettings = SecretsSettings()
    """Where secrets with `stored` come from: the project's encrypted file, or a command."""

    run: RunSettings = RunSettings()
    """What a playbook is asked to do."""

    status: StatusSettings = StatusSettings()
    """What `playbooks/status.py` writes."""

    releases: ReleasesSettings = ReleasesSettings()
    """What `playbooks/releases.py` writes."""

    backups: BackupsSettings = BackupsSettings()
    """What `playbooks/backups.py` writes."""

    checklist: ChecklistSettings = ChecklistSettings()
    """What `playbooks/checklist.py` writes."""

    settings: ShowSettings = ShowSettings()
    """What `playbooks/settings.py` prints."""

    address: str | None = None
    """Address at which the other hosts of the inventory reach this host, and from which it connects
    to them: that of a private network, if there is one. null: `ssh_hostname`, or the host's
    name."""

    _place: Place = PrivateAttr(default_factory=Place)

    @property
    def idle_apps(self) -> frozenset[str]:
        """The applications that are idle on this host."""
        if isinstance(self.idle, bool):
            return frozenset(self.app if self.idle else ())
        return frozenset(self.idle)

    @property
    def place(self) -> Place:
        """The host's place in the inventory."""
        return self._place

    def placed(self, place: Place) -> Self:
        """These settings, at a place in the inventory."""
        copy = self.model_copy()
        copy._place = place
        return copy

    @classmethod
    def providers(cls) -> frozenset[str]:
        """Names of the roles that applications can need."""
        return cls._roles(ProviderSettings)

    @classmethod
    def role_groups(cls) -> frozenset[str]:
        """Names of the groups of the inventory whose hosts have a role."""
        return frozenset(
            group
            for name in cls._roles(GroupSettings)
            for group in getattr(cls.model_fields[name].annotation, "groups", ())
            or (getattr(cls.model_fields[name].annotation, "group", "") or name,)
        )

    @classmethod
    def group_names(cls) -> dict[str, tuple[str, ...]]:
        """Other name of a group -> the groups that can be meant."""
        names: dict[str, list[str]] = {}
        for role in sorted(cls._roles(GroupSettings)):
            kind = cls.model_fields[role].annotation
            for name in getattr(kind, "also", ()):
                names.setdefault(name, []).append(getattr(kind, "group", "") or role)
        return {name: tuple(roles) for name, roles in names.items()}

    @property
    def runs_apps(self) -> bool:
        """Whether it is a host that runs applications."""
        return bool(self.place.groups & group_names.RUN_APPLICATIONS)

    @classmethod
    def _roles(cls, kind: type[RoleSettings]) -> frozenset[str]:
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, kind)
        )

    def provider(self, name: str) -> ProviderSettings:
        """The settings of a role that applications can need."""
        role = getattr(self, name)
        assert isinstance(role, ProviderSettings)
        return role

    def among(self, hosts: Mapping[str, Self]) -> tuple[Self, list[tuple[tuple[str, ...], str]]]:  # noqa: ARG002
        """These settings, with what follows from those of all hosts of the inventory, and what
        contradicts them: key -> reason."""
        return self, []

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:  # noqa: ARG003
        """Layers of defaults that settings in `given` select, as name -> values. They are weaker
        than any value that is set."""
        return {}

    @property
    def admins(self) -> list[str]:
        """Users that may use sudo."""
        return []

    @property
    def backed_up(self) -> bool:
        """Whether the host is backed up."""
        return False

    @property
    def login_banner(self) -> str | None:
        """File that is shown before a login; None if no role has one."""
        return None

    @property
    def connect_timeout(self) -> float:
        """Seconds without an answer after which verify takes a port for closed."""
        return 1

    @property
    def upstream_keepalive(self) -> int:
        """Seconds that the web server keeps an idle connection to an application; 0 if no role sets
        it."""
        return 0

    @property
    def role_sites(self) -> dict[str, Site]:
        """The sites of roles, by name."""
        return {
            site.name: site
            for name in type(self).model_fields
            if isinstance(role := getattr(self, name), RoleSettings)
            for site in role.sites(self.place)
        }

    @property
    def role_secrets(self) -> dict[tuple[str, ...], SecretSource]:
        """The operator's secrets that roles need, by key."""
        return {
            (name, *path): source
            for name in type(self).model_fields
            if isinstance(role := getattr(self, name), RoleSettings)
            for path, source in role.secrets()
        }

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles that a run can leave out."""
        fields = type(self).model_fields
        return (
            APPLICATIONS,
            *(name for name in fields if isinstance(getattr(self, name), RoleSettings)),
        )

    @property
    def parts(self) -> Parts:
        """The roles that the run works on (`only`, `skip`)."""
        return parts(self.roles, self.run.only, self.run.skip)

    def misplaced(self) -> Iterable[tuple[tuple[str, ...], str]]:
        """What roles cannot do at the host's place in the inventory: key -> reason."""
        reasons = [
            ((name, *path), reason)
            for name in type(self).model_fields
            if isinstance(role := getattr(self, name), RoleSettings)
            for path, reason in role.misplaced(self.place)
        ]
        # A role that is misplaced may not know what it brings.
        return reasons or self.brought.conflicts()

    def unknown(self) -> Iterable[tuple[tuple[str, ...], str]]:
        """Names of what no host of the inventory brings: key -> reason."""
        for name in type(self).model_fields:
            role = getattr(self, name)
            if isinstance(role, RoleSettings):
                for path, reason in role.unknown(self.place):
                    yield (name, *path), reason

    def of_applications(self) -> Brings:
        """What the applications themselves bring."""
        return Brings()

    @property
    def brought(self) -> Brought:
        """What the applications and roles bring to this host, in the order of the settings."""
        roles = {APPLICATIONS: self.of_applications()}
        for name in type(self).model_fields:
            role = getattr(self, name)
            if isinstance(role, RoleSettings):
                roles[name] = role.brings(self)
        return Brought(roles)

    def conflicts(self, project: Path) -> Iterable[tuple[tuple[str, ...], str]]:  # noqa: ARG002
        """Keys of roles that conflict with the applications or the operator's machine, each with
        the reason."""
        for name in type(self).model_fields:
            role = getattr(self, name)
            if isinstance(role, RoleSettings):
                for path, reason in role.contradictions(self):
                    yield (name, *path), reason
        for key in ("only", "skip"):
            for name in getattr(self.run, key):
                if name not in self.roles:
                    yield ("run", key), f'there is no role "{name}"{nearest(name, self.roles)}'
        named = {*self.run.only, *self.run.skip}
        if named <= {*self.roles} and self.parts.left_out >= {*self.roles} - {VERIFY}:
            yield ("run", "only"), "no role is left: all are left out"
