"""Loads and validates the settings of every host, before any host is connected to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import SecretStr
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.settings import checks, manifests
from groundcrew.settings.defaults import DEFAULTS, defaults
from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.host import HostBase
from groundcrew.settings.layers import host_layers, unknown_groups
from groundcrew.settings.merge import Layer, Merged, merge
from groundcrew.settings.validate import validate

WEB_GROUP = "web"
"""Hosts in this group run applications."""

Model = TypeVar("Model", bound=HostBase)


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A host's settings, where each value came from, and its secrets."""

    settings: Model
    merged: Merged
    secrets: dict[str, dict[str, SecretStr]]


_loaded: dict[str, Loaded[Any]] = {}


def load_all(inventory: Inventory, model: type[Model], project: Path) -> dict[str, Loaded[Model]]:
    """Settings of all hosts by name. Raises SettingsError with every error of every host."""
    problems = unknown_groups(inventory, project)
    result: dict[str, Loaded[Model]] = {}
    for host in inventory:
        loaded, found = load_host(host_layers(host, inventory), model, project)
        problems += [Problem(item.key, item.layer, item.message, (host.name,)) for item in found]
        if loaded:
            result[host.name] = loaded
            problems += _outside_web(host, loaded)
    if problems:
        raise SettingsError(problems)
    _loaded.clear()
    _loaded.update(result)
    return result


def settings_for(host: Host) -> Loaded[Any]:
    """The settings that load_all found for this host."""
    return _loaded[host.name]


def load_host(
    layers: list[Layer], model: type[Model], project: Path
) -> tuple[Loaded[Model] | None, list[Problem]]:
    """One host's settings from its layers, or None; and every error."""
    names, problems = _app_names(merge(layers))
    own: list[Layer] = []
    for name in names:
        data, found = manifests.read(project, name)
        problems += found
        if data is not None:
            own.append(Layer(f"apps/{name}.yml", {"app": {name: data}}))
    merged = merge([Layer(DEFAULTS, defaults(model)), *own, *layers])
    problems += _keep_only(merged, names, project)
    if problems:
        # An unreadable manifest would only bring follow-up errors about its missing keys.
        readable = {layer.name for layer in own}
        for name in names:
            if f"apps/{name}.yml" not in readable:
                merged.data.get("app", {}).pop(name, None)
    settings, found = validate(model, merged)
    problems += found
    if settings is None:
        return None, problems

    def problem(path: tuple[str, ...], message: str) -> Problem:
        return Problem(".".join(path), merged.origin(path) or "defaults", message)

    apps = settings.app
    problems += checks.addresses(apps, problem)
    problems += checks.files(apps, project, problem)
    problems += checks.environment(apps, problem)
    secrets, found = checks.read_secrets(apps, project, problem)
    problems += found
    return (None if problems else Loaded(settings, merged, secrets)), problems


def _app_names(merged: Merged) -> tuple[list[str], list[Problem]]:
    names = merged.data.get("apps", [])
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return list(dict.fromkeys(names)), []
    return [], [
        Problem("apps", merged.origin(("apps",)) or "", "expected a list of application names")
    ]


def _keep_only(merged: Merged, names: Iterable[str], project: Path) -> list[Problem]:
    """Drop overrides of applications that this host does not run; a name nobody has is a typo."""
    overrides = merged.data.get("app")
    if not isinstance(overrides, dict):
        return []
    problems = []
    known = set(manifests.names(project))
    for name in [name for name in overrides if name not in names]:
        if name not in known:
            layer = merged.origin(("app", name)) or ""
            hint = nearest(name, known)
            problems.append(Problem(f"app.{name}", layer, f"no application of this name{hint}"))
        del overrides[name]
    return problems


def _outside_web(host: Host, loaded: Loaded[Any]) -> list[Problem]:
    """Applications on a host that gets no web server would silently not be there."""
    if not loaded.settings.apps or WEB_GROUP in host.groups:
        return []
    message = f'the host is not in group "{WEB_GROUP}", which runs applications'
    layer = loaded.merged.origin(("apps",)) or ""
    return [Problem("apps", layer, message, (host.name,))]
