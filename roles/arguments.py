"""Arguments of playbooks, given on the command line as `--data app=NAME` and the like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from groundcrew.bindings import Binding, Replication
from groundcrew.roles.haproxy import rolling as rolls
from groundcrew.roles.haproxy import shared
from groundcrew.roles.haproxy.builders import request as requests
from groundcrew.roles.releases import app_names
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import (
    Problem,
    SettingsError,
    manifests,
    reserved,
    settings_for,
)
from groundcrew.settings.errors import nearest


def asked_apps(inventory: Inventory) -> list[str]:
    """The applications that a playbook acts on: the one named on the command line, or all.

    Raises SettingsError if no host runs the named application.
    """
    names = app_names(inventory)
    asked = {settings_for(host).settings.run.app for host in inventory} - {None}
    for name in asked:
        if name not in names:
            raise SettingsError(
                [
                    Problem(
                        "app",
                        "--data",
                        f'no host has an application "{name}"{nearest(name, names)}',
                    )
                ]
            )
    return [name for name in names if not asked or name in asked]


def one_app(inventory: Inventory) -> list[str]:
    """The one application that a playbook acts on. Raises SettingsError if none is named."""
    names = asked_apps(inventory)
    if not any(settings_for(host).settings.run.app for host in inventory):
        known = ", ".join(app_names(inventory))
        raise SettingsError([Problem("app", "--data", f"is required (known: {known})")])
    return names


def asked_maintenance(inventory: Inventory) -> Literal["on", "off"]:
    """Whether to switch maintenance on or off. Raises SettingsError if neither is given."""
    for host in inventory:
        wanted: Literal["on", "off"] | None = settings_for(host).settings.run.maintenance
        if wanted:
            return wanted
    raise SettingsError([Problem("maintenance", "--data", "is required: on or off")])


def asked_sbom(inventory: Inventory) -> str:
    """The directory that bills of materials are written to. Raises SettingsError if none is
    given."""
    for host in inventory:
        wanted: str | None = settings_for(host).settings.run.sbom
        if wanted:
            return wanted
    raise SettingsError([Problem("sbom", "--data", "is required: a directory on this machine")])


def removed_app(hosts: Iterable[Host]) -> str:
    """The application to remove from the hosts. Raises SettingsError if none is named, or if one of
    the hosts is still configured to run it."""
    asked = {host.name: settings_for(host).settings for host in hosts}
    name: str | None = next((item.run.app for item in asked.values() if item.run.app), None)
    if name is None:
        raise SettingsError([Problem("app", "--data", "is required: the name of an application")])
    if not manifests.NAME.match(name) or reserved.is_taken(name):
        raise SettingsError([Problem("app", "--data", f'"{name}" is no name of an application')])
    purged = {item.run.purge for item in asked.values()} - {None, name}
    if purged:
        text = f"deletes all data of an application, so it must be its name: purge={name}"
        raise SettingsError([Problem("purge", "--data", text)])
    still = tuple(host for host, item in asked.items() if name in item.app)
    if still:
        text = f'"{name}" is still among `apps`: take it out there first'
        raise SettingsError([Problem("app", "--data", text, hosts=still)])
    providers = tuple(
        host
        for host, item in asked.items()
        if item.run.purge and any(binding.app == name for binding in item.place.provides)
    )
    if providers:
        text = (
            f"{name} runs on other hosts of the inventory, and has its databases here: leave "
            f"{', '.join(providers)} out with --limit"
        )
        raise SettingsError([Problem("purge", "--data", text, hosts=providers)])
    return name


def renamed_app(inventory: Inventory) -> tuple[str, str]:
    """The old and the new name of an application. Raises SettingsError if one is missing or wrong,
    if a host still has the old one, or if a database would stay behind under the old name."""
    asked = {host.name: settings_for(host).settings for host in inventory}
    name: str | None = next((item.run.app for item in asked.values() if item.run.app), None)
    was: str | None = next((item.run.was for item in asked.values() if item.run.was), None)
    for key, value in (("app", name), ("was", was)):
        if value is None:
            text = f"is required: the {'new' if key == 'app' else 'old'} name of an application"
            raise SettingsError([Problem(key, "--data", text)])
    assert name is not None
    assert was is not None
    if not manifests.NAME.match(was) or reserved.is_taken(was) or was == name:
        raise SettingsError([Problem("was", "--data", f'"{was}" is no old name of {name}')])
    still = tuple(host for host, item in asked.items() if was in item.app)
    if still:
        text = f'"{was}" is still among `apps`: replace it there by {name} first'
        raise SettingsError([Problem("was", "--data", text, hosts=still)])
    names = app_names(inventory)
    if name not in names:
        text = f'no host has an application "{name}"{nearest(name, names)}'
        raise SettingsError([Problem("app", "--data", text)])
    problems = {item.key: item for host in asked.values() for item in _left_behind(host, was, name)}
    if problems:
        raise SettingsError([*problems.values()])
    return was, name


def _left_behind(settings: HostSettings, was: str, name: str) -> Iterable[Problem]:
    """Databases that would begin empty under the new name."""
    needs = settings.app[name].needs if name in settings.app else {}
    for key, need in needs.items():
        if need.service and need.name is None and settings.provider(need.role).names_databases:
            old = f"{was}_{key}".replace("-", "_")
            text = (
                f"is required: {was} has its data in {old}, so name: {old}; another name begins "
                "an empty database"
            )
            yield Problem(f"app.{name}.needs.{key}.name", f"apps/{name}.yml", text)


def restored_app(hosts: Iterable[Host]) -> str:
    """The application to restore. Raises SettingsError if none is named, if `restore` names another
    one, or if no host of the run has backups of it."""
    asked = {host.name: settings_for(host).settings for host in hosts}
    name: str | None = next((item.run.app for item in asked.values() if item.run.app), None)
    known = sorted({app for item in asked.values() for app in backed_up_apps(item)})
    if name is None:
        text = f"is required: the application (known: {', '.join(known) or 'none is backed up'})"
        raise SettingsError([Problem("app", "--data", text)])
    if name not in known:
        text = f'no host of this run has backups of "{name}"{nearest(name, known)}'
        raise SettingsError([Problem("app", "--data", text)])
    if {item.run.restore for item in asked.values()} - {None, name}:
        text = f"replaces the data of an application, so it must be its name: restore={name}"
        raise SettingsError([Problem("restore", "--data", text)])
    return name


def backed_up_apps(settings: HostSettings) -> set[str]:
    """The applications that have data in the backups of a host."""
    if not settings.backed_up:
        return set()
    return {*settings.app, *(app for item in settings.brought.backups for app in item.apps)}


def asked_bindings(inventory: Inventory) -> list[Binding]:
    """The bindings of the application and need that a playbook acts on: of all its needs if none is
    named. Raises SettingsError if there are none."""
    name = one_app(inventory)[0]
    needs = {settings_for(host).settings.run.need for host in inventory} - {None}
    known = {
        (item.need, item.provider, item.settings.service): item
        for host in inventory
        for item in settings_for(host).settings.place.provides
        if item.app == name
    }
    if not known:
        text = f"{name} has no needs that a host of the inventory provides"
        raise SettingsError([Problem("app", "--data", text)])
    names = {need for need, _, _ in known}
    for need in needs - names:
        text = f'{name} has no need "{need}" that a host of the inventory provides'
        raise SettingsError([Problem("need", "--data", f"{text}{nearest(str(need), names)}")])
    return [item for (need, _, _), item in sorted(known.items()) if not needs or need in needs]


def one_binding(inventory: Inventory) -> Binding:
    """The one binding that a playbook acts on. Raises SettingsError if there are several."""
    chosen = asked_bindings(inventory)
    if len(chosen) > 1:
        names = ", ".join(f"{item.need} on {item.provider}" for item in chosen)
        text = f"is required: {chosen[0].app} needs {names}"
        raise SettingsError([Problem("need", "--data", text)])
    return chosen[0]


def rotated(inventory: Inventory, state: State) -> list[Binding]:
    """The bindings that get new passwords. Raises SettingsError if none is named, or if one of
    their hosts is not part of the run."""
    chosen = asked_bindings(inventory)
    wanted = {host for item in chosen for host in (item.provider, *(c.host for c in item.clients))}
    _require(wanted, inventory, state)
    return chosen


def rotated_replicas(inventory: Inventory, state: State) -> list[Replication]:
    """The replicas whose logins get new passwords; none if no host is named. Raises SettingsError
    if an application is named too, or if one of the hosts is not part of the run."""
    asked = [settings_for(host).settings.run for host in inventory]
    if not any(item.host for item in asked):
        return []
    if any(item.app for item in asked):
        text = "is for the passwords of replicas, and app for those of an application: give one"
        raise SettingsError([Problem("host", "--data", text)])
    chosen = replicas(inventory)
    _require({host for item in chosen for host in (item.provider, item.replica)}, inventory, state)
    return chosen


def _require(hosts: set[str], inventory: Inventory, state: State) -> None:
    """Raises SettingsError unless all of the hosts are part of the run."""
    left = sorted(
        host.name for host in inventory if host.name in hosts and not state.is_host_in_limit(host)
    )
    if left:
        text = f"{', '.join(left)} must be part of the run: a password changes on all hosts at once"
        raise SettingsError([Problem("limit", "--limit", text)])


def replicas(inventory: Inventory) -> list[Replication]:
    """The replicas of the host that a playbook acts on: of the part that is named, or all. Raises
    SettingsError if no host with a replica is named."""
    asked = {settings_for(host).settings.run.host for host in inventory} - {None}
    known: dict[str, list[Replication]] = {}
    for host in inventory:
        for item in settings_for(host).settings.place.follows:
            known.setdefault(item.replica, []).append(item)
    suffix = f" (known: {', '.join(sorted(known))})" if known else ""
    if not asked:
        text = f"is required: the host with the replica{suffix}"
        raise SettingsError([Problem("host", "--data", text)])
    name = str(asked.pop())
    if name not in known:
        text = f'"{name}" has no replica{nearest(name, known)}'
        raise SettingsError([Problem("host", "--data", text)])
    parts = {settings_for(host).settings.run.part for host in inventory} - {None}
    chosen = [item for item in known[name] if not parts or item.service in parts]
    if not chosen:
        names = ", ".join(item.service for item in known[name])
        text = f'{name} has no replica of "{parts.pop()}" (known: {names})'
        raise SettingsError([Problem("part", "--data", text)])
    return chosen


def promoted(inventory: Inventory, state: State) -> list[Replication]:
    """The replicas that become primaries. Raises SettingsError if no host with a replica is named,
    or if it is not part of the run."""
    chosen = replicas(inventory)
    name = chosen[0].replica
    if not state.is_host_in_limit(inventory.get_host(name)):
        raise SettingsError([Problem("limit", "--limit", f"{name} must be part of the run")])
    return chosen


def rolling(what: Literal["reboot", "upgrade"], inventory: Inventory, state: State) -> rolls.Plan:
    """What a playbook does to one host of the run after the other. Hosts behind balancers come
    first, in the order of the inventory, and balancers last."""
    names = [host.name for host in inventory if state.is_host_in_limit(host)]
    known: dict[str, HostSettings] = {host.name: settings_for(host).settings for host in inventory}
    # A host that is down and left out of the run (run.unreachable) answers nothing.
    balancers = {
        name: item
        for name, item in known.items()
        if item.place.balanced and inventory.get_host(name) not in state.failed_hosts
    }
    serving = {
        server.name
        for item in balancers.values()
        for app in item.place.balanced
        for server in app.servers
        if not server.idle
    }
    behind = [name for name in names if name in serving]
    others = [name for name in names if name not in behind]
    run = known[names[0]].run
    return rolls.Plan(
        what,
        behind,
        sorted(others, key=lambda name: bool(known[name].place.balanced)),
        {name: requests(item.haproxy, item.place) for name, item in balancers.items()},
        batch=run.batch,
        down=run.down,
        back=run.back,
        reboot=run.reboot,
        shared={
            name: shared.request(item.haproxy, item.place)
            for name, item in balancers.items()
            if item.haproxy.address and shared.peers(item.place)
        },
    )
