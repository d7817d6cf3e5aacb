"""Images of applications, and what the swarm is told to run: the manifest and the live release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api.inventory import Inventory

from groundcrew import remote
from groundcrew.manifest import shell
from groundcrew.manifest.model import AppSettings
from groundcrew.orchestrators.swarm_service import Part, sqlite_problem, started, volumes_problem
from groundcrew.orchestrators.workload import Workload
from groundcrew.project import ROOT as PROJECT
from groundcrew.releases import environment
from groundcrew.roles import releases, workloads
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.swarm import stack
from groundcrew.roles.swarm.settings import SwarmApp, managers
from groundcrew.settings import Loaded, Problem, SettingsError, settings_for
from groundcrew.settings.errors import nearest

PROGRAMS = Path(__file__).parent / "swarm" / "programs"
BASE = ("ca-certificates", "python3", "tzdata")
"""Debian packages of every application's image."""
BALANCER = ("ca-certificates", "haproxy")


@dataclass(frozen=True)
class Wanted:
    """An application of the swarm, from the settings of the first manager."""

    name: str
    app: AppSettings
    chosen: SwarmApp
    work: Workload
    values: dict[str, str]
    """Values of secret variables from the operator's machine."""

    files: dict[str, str]
    """Texts of the configuration files, by path in the code's directory."""

    image: dict[str, Any]
    """The request to `roles/swarm/on_host_image.py`."""

    def __repr__(self) -> str:
        """Omits secrets."""
        return f"Wanted({self.name!r})"


def first_manager(inventory: Inventory) -> str:
    """Name of the host that makes the swarm. Raises SettingsError if there is none."""
    for host in inventory:
        chosen = managers(settings_for(host).settings.place)
        if chosen:
            return chosen[0].name
    text = "no host is in the group swarm_managers: put the swarm's hosts there (docs/swarm.md)"
    raise SettingsError([Problem("inventory", "inventory", text)])


def asked(inventory: Inventory) -> list[str]:
    """The applications of the swarm that a playbook acts on. Raises SettingsError."""
    leader = settings_for(inventory.get_host(first_manager(inventory))).settings
    names = sorted(leader.swarm.chosen)
    name = leader.run.app
    if name is not None and name not in names:
        text = f'"{name}" is not among swarm.apps{nearest(name, names)}'
        raise SettingsError([Problem("app", "--data", text)])
    if not names:
        raise SettingsError([Problem("swarm.apps", "group_data", "names no application")])
    problems = [
        Problem(f"swarm.apps.{item}", "group_data",
                "is not among `apps` of the first manager, which must run it in the group web")
        for item in names
        if item not in leader.app
    ]  # fmt: skip
    if problems:
        raise SettingsError(problems)
    return [name] if name else names


def wanted(name: str, loaded: Loaded[HostSettings]) -> Wanted:
    """What the swarm must run of an application. Raises SettingsError if it cannot."""
    settings = loaded.settings
    app, chosen = settings.app[name], settings.swarm.chosen[name]
    problems = [
        Problem(f"app.{name}.{key}", f"apps/{name}.yml", f"not in the swarm: {reason}")
        for key, reason in stack.obstacles(app, chosen)
    ]
    if problems:
        raise SettingsError(problems)
    try:
        work = workloads.workload(name, settings, PROJECT, beside_proxy=False)
    except workloads.NotExportedError as error:
        raise SettingsError([Problem(f"app.{name}", f"apps/{name}.yml", str(error))]) from None
    replicas = stack.replicas(app, chosen)
    problem = sqlite_problem(work, replicas) or volumes_problem(work)
    if problem:
        text = f"not in the swarm: {problem}"
        raise SettingsError([Problem(f"app.{name}", f"apps/{name}.yml", text)])
    plan = releases.release_plan(name, loaded)
    files = {f"{work.server_files}/{key}": text for key, text in work.server.files.items()}
    files |= {
        f"{stack.PROGRAMS}/{item.name}": item.read_text(encoding="utf-8")
        for item in sorted(PROGRAMS.glob("[a-z]*.py"))
    }
    files[f"{stack.PROGRAMS}/healthy.py"] = remote.source("container_health")
    request = {
        "name": name,
        "base": {"image": settings.swarm.base, "packages": sorted({*BASE, *app.apt})},
        "left_out": [f"app/{path}" for path in sorted(plan.files)],
        "directory": work.work_directory,
        "command": list(work.server.command),
        "kept": list(work.kept),
        "files": files,
    }
    recipe = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
    balancer = {"image": settings.swarm.base, "packages": sorted(BALANCER)}
    image = {**request, "recipe": recipe, "digest": plan.digest[:12], "balancer": balancer}
    values = environment.values({}, loaded.secrets[name])
    hidden = {item.name for item in work.secrets}
    values |= {key: text for key, text in environment.values(app.env, {}).items() if key in hidden}
    return Wanted(name, app, chosen, work, values, dict(plan.files), image)


def tell_ignored(item: Wanted) -> None:
    """Names the keys of the manifest that have no effect in the swarm."""
    names = stack.ignored(item.app)
    if names:
        logger.warning(f"    {item.name}: without effect in the swarm: {', '.join(names)}")
    if "network" in names:
        logger.warning(
            f"    {item.name}: its containers may connect to any host: the swarm does not keep "
            "`network`, not even its default"
        )


def hook_commands(item: Wanted) -> list[list[str]]:
    """The release hooks as commands, each after the kept directories are filled."""
    commands = []
    for hook in item.work.hooks:
        script, argument = shell.script(hook)
        words = ("/bin/sh", "-c", script, *(("sh", argument) if argument is not None else ()))
        commands.append(started(item.work, Part(words, item.work.limits, stop=0)))
    return commands


def request(item: Wanted, local: bool, images: Mapping[str, Any]) -> dict[str, Any]:
    """The request to `roles/swarm/on_host_stack.py`. It contains values of secrets."""
    release = str(images["release"])
    folder = f"{item.work.root}/releases/{release}"
    given = stack.secrets(item.name, item.app, item.values, item.files, folder)
    text = stack.balancer(item.name, item.app, item.chosen)
    configuration = stack.versioned(f"{item.name}_balancer", text)
    services = stack.services(
        item.app,
        item.work,
        item.chosen,
        image=images["image"]["tag"],
        balancer_image=images["balancer"]["tag"],
        release=release,
        user=(images["user"][0], images["user"][1]),
        given=given,
    )
    hooks = hook_commands(item)
    return {
        "app": item.name,
        "local": local,
        "secrets": [
            {
                "name": secret.name,
                "value": secret.value,
                "length": secret.length,
                "characters": secret.characters,
            }
            for secret in given
        ],
        "configs": [{"name": configuration, "value": text}],
        "hooks": hooks,
        "hooks_note": stack.versioned(f"{item.name}_hooks", json.dumps([release, hooks])),
        "hooks_timeout": item.work.hooks_timeout,
        "stack": stack.stack(services, item.work, given, configuration),
        "digests": {
            f"{item.name}_{key}": service["deploy"]["labels"]["groundcrew.digest"]
            for key, service in services.items()
        },
        "timeout": item.chosen.timeout,
    }
