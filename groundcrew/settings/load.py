"""Loads and validates the settings of every host before connecting to any."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import SecretStr, ValidationError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew import project as here
from groundcrew.bindings import Place
from groundcrew.certificates.material import Material
from groundcrew.manifest.model import AppSettings
from groundcrew.settings import checks, connection, group_names, manifests, role_secrets, selection
from groundcrew.settings.addresses import addresses
from groundcrew.settings.app_list import is_names
from groundcrew.settings.bindings import bind, read_external
from groundcrew.settings.certificates import read_certificates
from groundcrew.settings.defaults import defaults
from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.host import HostBase
from groundcrew.settings.layers import host_layers
from groundcrew.settings.merge import DEFAULTS, Layer, Merged, merge
from groundcrew.settings.needs import ALL, Need, NotReadError
from groundcrew.settings.passwords import Passwords, read_passwords
from groundcrew.settings.secret_store import SecretsSettings
from groundcrew.settings.secrets import Machine
from groundcrew.settings.validate import validate
from groundcrew.sites import Secured

WEB_GROUP = "web"
"""Hosts in this group run applications."""

PROD_GROUP = "prod"
"""Hosts in this group run no application in development mode."""

PARTS = ".parts"
"""What a file contains that leaves out roles."""

Model = TypeVar("Model", bound=HostBase)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A host's settings, the layer of each value, and the secrets that were read."""

    settings: Model
    merged: Merged
    needs: frozenset[Need]
    """The operator's secrets that were read."""

    _secrets: dict[str, dict[str, SecretStr]] = field(repr=False)
    _build_secrets: dict[str, dict[str, SecretStr]] = field(repr=False)
    _passwords: dict[str, Passwords] = field(repr=False)
    _certificates: dict[str, Material] = field(repr=False)

    _role_secrets: dict[tuple[str, ...], SecretStr] = field(default_factory=dict, repr=False)

    urls: dict[str, dict[str, SecretStr]] = field(default_factory=dict, repr=False)
    """URLs of services outside of the inventory, by application and need."""

    first: frozenset[str] = frozenset()
    """Applications that no earlier host in the inventory has, where they are not idle."""

    @property
    def secrets(self) -> dict[str, dict[str, SecretStr]]:
        """Secrets by application. Raises NotReadError if they were not read."""
        return self._read(Need.VARIABLES, self._secrets)

    @property
    def build_secrets(self) -> dict[str, dict[str, SecretStr]]:
        """Build secrets by application. Raises NotReadError if they were not read."""
        return self._read(Need.VARIABLES, self._build_secrets)

    @property
    def passwords(self) -> dict[str, Passwords]:
        """Passwords of each application's sites. Raises NotReadError if they were not read."""
        return self._read(Need.PASSWORDS, self._passwords)

    @property
    def role_secrets(self) -> dict[tuple[str, ...], SecretStr]:
        """Secrets of roles by key. Raises NotReadError if they were not read."""
        if Need.ROLES not in self.needs:
            raise NotReadError(Need.ROLES)
        return self._role_secrets

    @property
    def certificates(self) -> dict[str, Material]:
        """Certificates by application, except those that hosts obtain. Raises NotReadError if their
        keys were not read."""
        return self._read(Need.KEYS, self._certificates)

    @property
    def roots(self) -> dict[str, str | None]:
        """The root certificates (PEM) of those certificates; None if they are among the
        machine's."""
        return {name: material.root for name, material in self._certificates.items()}

    @property
    def all_secrets(self) -> set[str]:
        """The texts of all secrets that were read."""
        read = (self._secrets, self._build_secrets, self._passwords, self._certificates)
        return set(_texts([*read, self._role_secrets, self.urls]))

    def _read(self, need: Need, values: dict[str, Value]) -> dict[str, Value]:
        if need not in self.needs:
            raise NotReadError(need)
        return values


def _texts(value: Any) -> Iterator[str]:
    """The texts of all secrets in containers."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Material):
        yield value.key.get_secret_value()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


_loaded: dict[str, Loaded[Any]] = {}


def load_all(
    inventory: Inventory, model: type[Model], project: Path, needs: frozenset[Need] = ALL
) -> dict[str, Loaded[Model]]:
    """The settings of all hosts by name. Raises SettingsError with every error of every host.

    Only those of the operator's secrets are read that the run `needs`.
    """
    known = {*model.role_groups(), *model.group_names(), group_names.WORKER}
    problems = selection.check(inventory, project, frozenset(known))
    result: dict[str, Loaded[Model]] = {}
    for host in inventory:
        layers = host_layers(host, inventory, project)
        groups = frozenset(host.groups)
        loaded, host_problems = load_host(layers, model, project, needs, groups)
        host_problems += connection.problems(host, inventory, project)
        host_problems += _outside_web(host, merge(layers))
        host_problems += _servers(groups, model, merge(layers))
        host_problems += _unsaid(host, merge(layers), project)
        if loaded and PROD_GROUP in host.groups:
            host_problems += checks.production(loaded.settings.app, loaded.merged)
        problems += [replace(item, hosts=(host.name,)) for item in host_problems]
        if loaded:
            result[host.name] = loaded
    problems += _one_value_for_all(result)
    problems += _all_roles(result)
    problems += _nowhere(result)
    without_background = _without_background(result)
    seen: set[str] = set()
    for name, item in result.items():
        own = item.settings.app.keys() - item.settings.idle_apps
        own -= without_background.get(name, set())
        result[name] = replace(item, first=frozenset(own - seen))
        seen |= own
    if not problems:
        settings, problems = bind(
            {name: item.settings for name, item in result.items()},
            {name: item.urls for name, item in result.items()},
            inventory,
            {name: _reports(name, item.merged) for name, item in result.items()},
        )
        result = {name: replace(item, settings=settings[name]) for name, item in result.items()}
        result = {name: _with_certificates(item, result) for name, item in result.items()}
    if problems:
        raise SettingsError(problems)
    _loaded.clear()
    _loaded.update(result)
    return result


def _without_background(result: dict[str, Loaded[Model]]) -> dict[str, set[str]]:
    """Leaves workers and timers of applications to the hosts of the group `worker`, if there are
    some that run them. Returns host -> applications that it has without theirs."""
    of_workers = {
        app
        for item in result.values()
        if group_names.WORKER in item.settings.place.groups
        for app in item.settings.app
    }
    idle: dict[str, set[str]] = {}
    for name, item in result.items():
        if group_names.WORKER in item.settings.place.groups:
            continue
        mine = of_workers & set(item.settings.app)
        if mine:
            apps = {
                key: app.model_copy(update={"workers": {}, "timers": {}}) if key in mine else app
                for key, app in item.settings.app.items()
            }
            settings = item.settings.model_copy(update={"app": apps})
            result[name] = replace(item, settings=settings.placed(item.settings.place))
            idle[name] = mine
    return idle


def _with_certificates(item: Loaded[Model], hosts: Mapping[str, Loaded[Model]]) -> Loaded[Model]:
    """A balancer has the certificates of the applications that it balances."""
    own = {
        balanced.app: material
        for balanced in item.settings.place.balanced
        if (material := hosts[balanced.servers[0].name]._certificates.get(balanced.app))
    }
    return replace(item, _certificates={**item._certificates, **own}) if own else item


def _reports(host: str, merged: Merged) -> checks.Report:
    """Makes a report about a key of a host."""

    def problem(path: tuple[str, ...], message: str) -> Problem:
        return Problem(".".join(path), merged.nearest_origin(path), message, (host,))

    return problem


def settings_for(host: Host) -> Loaded[Any]:
    """The settings that load_all found for this host. Raises SystemExit if pyinfra does not run the
    file."""
    if not _loaded:
        raise SystemExit(
            "groundcrew: pyinfra runs this file, in the project's directory:\n"
            f"  cd {_directory()} && pyinfra inventory/prod.py deploy.py"
        )
    return _loaded[host.name]


def _directory() -> Path:
    """The project of the file that is being run."""
    names = [Path(str(name)).resolve() for name in selection.parameters().get("operations") or ()]
    return here.find(names[0].parent, here.ROOT) if names else here.ROOT


def load_host(
    layers: list[Layer],
    model: type[Model],
    project: Path,
    needs: frozenset[Need] = ALL,
    groups: frozenset[str] = frozenset(),
) -> tuple[Loaded[Model] | None, list[Problem]]:
    """One host's settings from its layers, or None if there are errors; and every error. `groups`
    are the host's groups in the inventory."""
    names = _app_names(merge(layers))
    problems: list[Problem] = []
    own: dict[str, Layer] = {}
    for name in names:
        data, more = manifests.read(project, name)
        problems += more
        if data is not None:
            own[name] = Layer(f"apps/{name}.yml", {"app": {name: data}})
    given = merge([*own.values(), *layers]).data
    presets = [Layer(name, data) for name, data in model.presets(given).items()]
    merged = merge([Layer(DEFAULTS, defaults(model)), *presets, *own.values(), *layers])
    problems += _keep_only(merged, names, own, project)
    problems += _without_nobody(merged, project)
    settings, more = validate(model, merged)
    if settings:
        every = group_names.complete(groups, settings.servers, model.group_names())
        settings = settings.placed(Place(every))
    problems += more

    def problem(path: tuple[str, ...], message: str) -> Problem:
        return Problem(".".join(path), merged.nearest_origin(path), message)

    apps = settings.app if settings else _sound_apps(merged)
    problems += addresses(apps, problem)
    kept = settings.upstream_keepalive if settings else 0
    problems += checks.servers(apps, kept, problem)
    problems += checks.files(apps, project, problem)
    problems += checks.environment(apps, problem)
    problems += checks.sizes(apps, problem)
    machine = Machine(project, settings.secrets if settings else _sound_store(merged))
    secrets, more = checks.read_secrets(apps, machine, problem, Need.VARIABLES in needs)
    problems += more
    build_secrets, more = checks.read_build_secrets(apps, machine, problem, Need.VARIABLES in needs)
    problems += more
    urls, more = read_external(apps, machine, problem, Need.VARIABLES in needs)
    problems += more
    passwords, more = read_passwords(apps, machine, problem, Need.PASSWORDS in needs)
    problems += more
    places: dict[str, tuple[tuple[str, ...], Secured]] = {
        name: (("app", name, "tls"), app) for name, app in apps.items()
    }
    if settings:
        places |= {name: (site.key, site) for name, site in settings.role_sites.items()}
    certificates, more = read_certificates(places, machine, problem, Need.KEYS in needs)
    problems += more
    problems += checks.config_files(apps, secrets, project, problem)
    if settings:
        problems += [problem(path, message) for path, message in settings.conflicts(project)]
    sources = settings.role_secrets if settings else {}
    of_roles, more = role_secrets.read(sources, machine, problem, Need.ROLES in needs)
    problems += more
    if settings is None or problems:
        return None, problems
    read = (secrets, build_secrets, passwords, certificates, of_roles)
    return Loaded(settings, merged, needs, *read, urls=urls), problems


def _sound_apps(merged: Merged) -> dict[str, AppSettings]:
    """The applications without errors of their own, if other settings have errors."""
    blocks = merged.data.get("app")
    sound = {}
    for name, block in blocks.items() if isinstance(blocks, dict) else ():
        with suppress(ValidationError):
            sound[name] = AppSettings.model_validate(block)
    return sound


def _sound_store(merged: Merged) -> SecretsSettings:
    """The store of secrets, if other settings have errors."""
    with suppress(ValidationError):
        return SecretsSettings.model_validate(merged.data.get("secrets", {}))
    return SecretsSettings()


def _app_names(merged: Merged) -> list[str]:
    """The host's applications; none if `apps` is not a list of names, which validation reports."""
    names = merged.data.get("apps", [])
    return list(dict.fromkeys(names)) if is_names(names) else []


def _without_nobody(merged: Merged, project: Path) -> list[Problem]:
    """Problems for names in `apps_without` that no application has: they are typos."""
    known = manifests.names(project)
    names = merged.data.get("apps_without", [])
    layer = merged.nearest_origin(("apps_without",))
    return [
        Problem("apps_without", layer, f'no application "{name}"{nearest(name, known)}')
        for name in (names if is_names(names) else [])
        if name not in known
    ]


def _keep_only(
    merged: Merged, names: Collection[str], readable: Collection[str], project: Path
) -> list[Problem]:
    """Drops what other layers set for applications that this host does not run, or whose manifest
    cannot be read: it would only cause follow-up errors. Returns problems for names that no
    application has."""
    blocks = merged.data.get("app")
    if not isinstance(blocks, dict):
        return []
    problems = []
    known = set(manifests.names(project))
    for name in [name for name in blocks if name not in readable]:
        if name not in known and name not in names:
            layer = merged.nearest_origin(("app", name))
            hint = nearest(name, known)
            problems.append(Problem(f"app.{name}", layer, f"no application of this name{hint}"))
        del blocks[name]
    return problems


def _one_value_for_all(loaded: Mapping[str, Loaded[Any]]) -> list[Problem]:
    """Problems for generated secrets of an application on several hosts: each host would have
    another value."""
    hosts_of: dict[tuple[str, str], list[str]] = {}
    for host, item in loaded.items():
        for name, app in item.settings.app.items():
            if name in item.settings.idle_apps:
                continue
            for key, source in app.secrets.items():
                if source.generate and not source.generate.per_host:
                    hosts_of.setdefault((name, key), []).append(host)
    message = (
        "each host would make up a value of its own: give them one with env, file, command or "
        "stored, or set generate.per_host: true"
    )
    return [
        Problem(
            f"app.{name}.secrets.{key}.generate",
            loaded[hosts[0]].merged.nearest_origin(("app", name, "secrets", key, "generate")),
            message,
            tuple(hosts),
        )
        for (name, key), hosts in hosts_of.items()
        if len(hosts) > 1
    ]


def _nowhere(loaded: Mapping[str, Loaded[Any]]) -> list[Problem]:
    """Problems for applications that are idle on a host which does not have them, or on all of
    their hosts."""
    every = [item.settings for item in loaded.values()]
    at_work = {app for item in every for app in item.app.keys() - item.idle_apps}
    problems = []
    for host, item in loaded.items():
        layer = item.merged.nearest_origin(("idle",))
        for app in sorted(item.settings.idle_apps - item.settings.app.keys()):
            text = f'"{app}" is not among `apps` of {host}{nearest(app, item.settings.app)}'
            problems.append(Problem("idle", layer, text, (host,)))
        for app in sorted(item.settings.idle_apps & item.settings.app.keys() - at_work):
            text = (
                f"{app} is idle on every host that has it: add it to `apps` of another host, or "
                f"stop it (groundcrew stop {app})"
            )
            problems.append(Problem("idle", layer, text, (host,)))
    return problems


def _all_roles(loaded: Mapping[str, Loaded[Any]]) -> list[Problem]:
    """A problem if roles are left out of a run of a file that does not look at that: it would work
    on all of them."""
    run = next((item.settings.run for item in loaded.values()), None)
    if run is None or not (run.only or run.skip):
        return []
    files = [Path(str(name)) for name in selection.parameters().get("operations") or ()]
    unaware = [file for file in files if file.is_file() and PARTS not in file.read_text("utf-8")]
    return [
        Problem(
            "only" if run.only else "skip",
            "--data",
            f"{file} works on all roles: this is for deploy.py and playbooks/verify.py",
        )
        for file in unaware
    ]


def _outside_web(host: Host, merged: Merged) -> list[Problem]:
    """A problem if a host has applications but no web server: they would be missing silently."""
    if not merged.data.get("apps") or group_names.RUN_APPLICATIONS & {*host.groups}:
        return []
    message = f'the host is not in group "{WEB_GROUP}", which runs applications, nor in "worker"'
    return [Problem("apps", merged.nearest_origin(("apps",)), message)]


def _unsaid(host: Host, merged: Merged, project: Path) -> list[Problem]:
    """A problem if a web host has no list of applications though manifests exist: it would be set
    up without any, and the run would succeed."""
    known = manifests.names(project)
    mine = [name for name in host.groups if name in group_names.RUN_APPLICATIONS]
    if "apps" in merged.data or not mine or not known:
        return []
    message = (
        f'is missing: apps = ["{known[0]}"] says which applications a host runs, apps = [] none'
        if len(known) == 1
        else f"is missing: it lists a host's applications (known: {', '.join(known)}); "
        "apps = [] says none"
    )
    return [Problem("apps", f"group_data/{mine[0]}.py", message)]


def _servers(groups: Collection[str], model: type[Model], merged: Merged) -> list[Problem]:
    """What is wrong with the servers of a host."""
    if "servers" not in merged.data:
        missing = group_names.unsaid(groups, model.group_names())
        return [Problem("servers", f"group_data/{name}.py", text) for name, text in missing]
    servers = merged.data["servers"]
    # Anything else is told with the other settings.
    if not isinstance(servers, (list, tuple)) or not all(isinstance(s, str) for s in servers):
        return []
    origin = merged.nearest_origin(("servers",))
    told = group_names.unknown(servers, model.role_groups())
    return [Problem("servers", origin, text) for text in told]
