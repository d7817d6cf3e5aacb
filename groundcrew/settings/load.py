"""Loads and validates the settings of every host, before any host is connected to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import SecretStr, ValidationError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.apps.model import AppSettings
from groundcrew.certificates.material import Material
from groundcrew.settings import checks, manifests, selection
from groundcrew.settings.addresses import addresses
from groundcrew.settings.app_list import is_names
from groundcrew.settings.certificates import read_certificates
from groundcrew.settings.defaults import defaults
from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.host import HostBase
from groundcrew.settings.layers import host_layers
from groundcrew.settings.merge import DEFAULTS, Layer, Merged, merge
from groundcrew.settings.needs import ALL, Need, NotReadError
from groundcrew.settings.passwords import Passwords, read_passwords
from groundcrew.settings.validate import validate

PROJECT = Path(__file__).resolve().parents[2]

WEB_GROUP = "web"
"""Hosts in this group run applications."""

PROD_GROUP = "prod"
"""Hosts in this group run nothing in development mode."""

Model = TypeVar("Model", bound=HostBase)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A host's settings, where each value came from, and what was read with them."""

    settings: Model
    merged: Merged
    needs: frozenset[Need]
    """What of the operator's secrets was read."""

    _secrets: dict[str, dict[str, SecretStr]] = field(repr=False)
    _passwords: dict[str, Passwords] = field(repr=False)
    _certificates: dict[str, Material] = field(repr=False)

    first: frozenset[str] = frozenset()
    """Applications that no host before this one in the inventory has."""

    @property
    def secrets(self) -> dict[str, dict[str, SecretStr]]:
        """Of each application. Raises NotReadError, as the next two do."""
        return self._read(Need.VARIABLES, self._secrets)

    @property
    def passwords(self) -> dict[str, Passwords]:
        """Of each application's sites."""
        return self._read(Need.PASSWORDS, self._passwords)

    @property
    def certificates(self) -> dict[str, Material]:
        """Of each application whose host does not get its own."""
        return self._read(Need.KEYS, self._certificates)

    @property
    def roots(self) -> dict[str, str | None]:
        """The roots (PEM) of those certificates, where they are not among the machine's."""
        return {name: material.root for name, material in self._certificates.items()}

    def _read(self, need: Need, values: dict[str, Value]) -> dict[str, Value]:
        if need not in self.needs:
            raise NotReadError(need)
        return values


_loaded: dict[str, Loaded[Any]] = {}


def load_all(
    inventory: Inventory, model: type[Model], project: Path, needs: frozenset[Need] = ALL
) -> dict[str, Loaded[Model]]:
    """Settings of all hosts by name. Raises SettingsError with every error of every host.

    Of the operator's secrets only what the run `needs` is read.
    """
    problems = selection.check(inventory, project)
    result: dict[str, Loaded[Model]] = {}
    for host in inventory:
        layers = host_layers(host, inventory, project)
        loaded, found = load_host(layers, model, project, needs)
        found += _outside_web(host, merge(layers))
        if loaded and PROD_GROUP in host.groups:
            found += checks.production(loaded.settings.app, loaded.merged)
        problems += [replace(item, hosts=(host.name,)) for item in found]
        if loaded:
            result[host.name] = loaded
    problems += _one_value_for_all(result)
    seen: set[str] = set()
    for name, item in result.items():
        own = set(item.settings.app)
        result[name] = replace(item, first=frozenset(own - seen))
        seen |= own
    if problems:
        raise SettingsError(problems)
    _loaded.clear()
    _loaded.update(result)
    return result


def settings_for(host: Host) -> Loaded[Any]:
    """The settings that load_all found for this host. Ends what pyinfra does not run."""
    if not _loaded:
        raise SystemExit(
            "groundcrew: pyinfra runs this file, in the project's directory:\n"
            f"  cd {PROJECT} && . bin/_setup && pyinfra inventory/prod.py deploy.py"
        )
    return _loaded[host.name]


def load_host(
    layers: list[Layer], model: type[Model], project: Path, needs: frozenset[Need] = ALL
) -> tuple[Loaded[Model] | None, list[Problem]]:
    """One host's settings from its layers, or None; and every error."""
    names = _app_names(merge(layers))
    problems: list[Problem] = []
    own: dict[str, Layer] = {}
    for name in names:
        data, found = manifests.read(project, name)
        problems += found
        if data is not None:
            own[name] = Layer(f"apps/{name}.yml", {"app": {name: data}})
    given = merge([*own.values(), *layers]).data
    presets = [Layer(name, data) for name, data in model.presets(given).items()]
    merged = merge([Layer(DEFAULTS, defaults(model)), *presets, *own.values(), *layers])
    problems += _keep_only(merged, names, own, project)
    problems += _without_nobody(merged, project)
    settings, found = validate(model, merged)
    problems += found

    def problem(path: tuple[str, ...], message: str) -> Problem:
        return Problem(".".join(path), merged.nearest_origin(path), message)

    apps = settings.app if settings else _sound_apps(merged)
    problems += addresses(apps, problem)
    kept = settings.upstream_keepalive if settings else 0
    problems += checks.servers(apps, kept, problem)
    problems += checks.files(apps, project, problem)
    problems += checks.environment(apps, problem)
    problems += checks.sizes(apps, problem)
    secrets, found = checks.read_secrets(apps, project, problem, Need.VARIABLES in needs)
    problems += found
    passwords, found = read_passwords(apps, project, problem, Need.PASSWORDS in needs)
    problems += found
    certificates, found = read_certificates(apps, project, problem, Need.KEYS in needs)
    problems += found
    problems += checks.config_files(apps, secrets, project, problem)
    if settings:
        problems += [problem(path, message) for path, message in settings.conflicts(project)]
    if settings is None or problems:
        return None, problems
    return Loaded(settings, merged, needs, secrets, passwords, certificates), problems


def _sound_apps(merged: Merged) -> dict[str, AppSettings]:
    """The applications that have no error of their own, where something else has one."""
    blocks = merged.data.get("app")
    sound = {}
    for name, block in blocks.items() if isinstance(blocks, dict) else ():
        with suppress(ValidationError):
            sound[name] = AppSettings.model_validate(block)
    return sound


def _app_names(merged: Merged) -> list[str]:
    """The host's applications; none where `apps` is no list of names, which validation reports."""
    names = merged.data.get("apps", [])
    return list(dict.fromkeys(names)) if is_names(names) else []


def _without_nobody(merged: Merged, project: Path) -> list[Problem]:
    """A name that is taken off and that no application has is a typo."""
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
    """Drop what other layers say of applications that this host does not run, and of those whose
    manifest is unreadable: it would only bring follow-up errors. A name nobody has is a typo."""
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
    """What a host makes up is its own: several hosts of one application would each have another."""
    found: dict[tuple[str, str], list[str]] = {}
    for host, item in loaded.items():
        for name, app in item.settings.app.items():
            for key, source in app.secrets.items():
                if source.generate and not source.generate.per_host:
                    found.setdefault((name, key), []).append(host)
    message = (
        "each host would make up a value of its own: give them one with env, file or command, or "
        "set generate.per_host: true"
    )
    return [
        Problem(
            f"app.{name}.secrets.{key}.generate",
            loaded[hosts[0]].merged.nearest_origin(("app", name, "secrets", key, "generate")),
            message,
            tuple(hosts),
        )
        for (name, key), hosts in found.items()
        if len(hosts) > 1
    ]


def _outside_web(host: Host, merged: Merged) -> list[Problem]:
    """Applications on a host that gets no web server would silently not be there."""
    if not merged.data.get("apps") or WEB_GROUP in host.groups:
        return []
    message = f'the host is not in group "{WEB_GROUP}", which runs applications'
    return [Problem("apps", merged.nearest_origin(("apps",)), message)]
