"""Operations of the swarm: its hosts, the images, and the applications."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore  # type: ignore[import-untyped]
from pyinfra import host, logger
from pyinfra.api import FunctionCommand, Host, OperationError, State, operation

from groundcrew import record
from groundcrew.bindings.address import numeric
from groundcrew.manifest.paths import AppPaths
from groundcrew.operations.upload import STAGING, stage
from groundcrew.releases import lock
from groundcrew.releases.apart import Commands, failure
from groundcrew.releases.run_state import take_lock_on
from groundcrew.releases.target import Run
from groundcrew.releases.undo import connector_arguments
from groundcrew.roles.swarm.facts import Told, command
from groundcrew.roles.swarm.progress import MOST, busy, changes, differences, ended, line
from groundcrew.roles.swarm.report import Images, Progress, Saved, Stack, Tokens
from groundcrew.roles.swarm.settings import MANAGERS, SwarmSettings, managers, members
from groundcrew.transport import TooLongError, arguments_of, fetch_file

STATE = "groundcrew_swarm"
IMAGES = "groundcrew_swarm_images"
ASKED = "groundcrew_swarm_asked"
"""What `on_host_image.state` was asked for, by application."""

POLL = 2.0
"""Seconds between two looks at an update."""

_JOINING = BoundedSemaphore()
"""Managers join one after the other: each must be up before the others agree on the next."""

_FETCHING = BoundedSemaphore()
_FETCHED: dict[str, tuple[tempfile.TemporaryDirectory[str], Path, str]] = {}
"""Tag -> its directory, which ends with the process, its file and digest."""


def _call(
    on: Host,
    arguments: Mapping[str, Any],
    module: str,
    function: str,
    request: Mapping[str, Any],
    *,
    run: Run = None,
) -> Any:
    """What a function tells on a host; nothing of it is printed."""
    program = command(module, function, request, run)
    options = {**arguments_of(on, arguments), **program.connector_arguments}
    good, output = on.run_shell_command(program, **options)
    if not good:
        raise OperationError(f"{on.name}: {output.stderr.strip() or 'failed'}")
    return json.loads(output.stdout_lines[-1])


def _host(name: str) -> Host:
    return host.state.inventory.get_host(name)


@operation()
def look() -> Commands:
    """Reads the host's part of the swarm."""
    host.connector_data[STATE] = host.get_fact(
        Told, module="on_host_members", function="state", request={}
    )
    host.noop(f"the swarm is {host.connector_data[STATE]['state']} here")
    yield from ()


@operation()
def made(settings: SwarmSettings, place: Any) -> Commands:
    """Makes the swarm on the first manager, unless one of the managers has it. All of them must
    have been asked: a second swarm would take this host and its applications from the first.

    + settings: the role's
    + place: the host's place
    """
    mine, first = host.connector_data.get(STATE) or {}, managers(place)[0]
    if host.name != first.name or mine.get("state") == "active" or _leader(place):
        host.noop("there is a swarm, or another host makes it")
        return
    problem = _unsure(place)
    if problem:
        raise OperationError(problem)
    record.change(host, ["a new swarm"])
    request = {"address": numeric(first.address), "data_port": settings.data_port}
    yield command("on_host_members", "make", request)
    if host.state.is_executing:
        host.connector_data[STATE] = {"state": "active", "manager": True}


def _unsure(place: Any) -> str | None:
    """Why it is not certain that there is no swarm; None if it is."""
    others = {item.name: _host(item.name) for item in managers(place) if item.name != host.name}
    missing = [
        name
        for name, other in others.items()
        # A dry run may come here before it has looked at all hosts.
        if not other.connected or (host.state.is_executing and STATE not in other.connector_data)
    ]
    if missing:
        return (
            f"{host.name} is in no swarm, and {', '.join(missing)} could not be asked: all "
            "managers of the inventory must be part of the run that makes the swarm. Run it "
            "without --limit; take managers out of the inventory that exist no longer"
        )
    states = {name: (other.connector_data.get(STATE) or {}) for name, other in others.items()}
    told = [
        f"{name}: {item['state']}"
        for name, item in states.items()
        if item.get("state", "inactive") != "inactive"
    ]
    if told:
        return (
            f"{host.name} is in no swarm, but other managers are in one ({', '.join(told)}): "
            "bring that in order first"
        )
    return None


def _leader(place: Any) -> str | None:
    """A manager that is part of the swarm; None if it is not known."""
    for item in managers(place):
        other = _host(item.name)
        told = other.connector_data.get(STATE) or {}
        if other.connected and told.get("state") == "active" and told.get("manager"):
            return item.name
    return None


@operation()
def joined(place: Any) -> Commands:
    """Joins the host to the swarm. The token goes through this process alone.

    + place: the host's place
    """
    mine = host.connector_data.get(STATE) or {}
    if mine.get("state") == "active":
        host.noop("the host is in a swarm")
        return
    record.change(host, ["joins the swarm"])
    yield FunctionCommand(_join, (place, connector_arguments(host)), {})


def _join(state: State, host: Host, place: Any, arguments: Mapping[str, Any]) -> bool:  # noqa: ARG001
    leader = _leader(place)
    if leader is None:
        host.log_styled(
            "no manager of the swarm is part of this run", log_func=logger.error, fg="red"
        )
        return False
    tokens: Tokens = _call(_host(leader), arguments, "on_host_members", "tokens", {})
    mine = next(item for item in members(place) if item.name == host.name)
    others = {item.name: numeric(item.address) for item in managers(place)}
    manages = MANAGERS in place.groups
    request = {
        "address": numeric(mine.address),
        "managers": [f"{others[leader]}:2377"],
        "token": tokens["manager"] if manages else tokens["worker"],
    }
    if not manages:
        _call(host, arguments, "on_host_members", "join", request)
    else:
        with _JOINING:
            _call(host, arguments, "on_host_members", "join", request)
    return True


@operation()
def image(app: str, request: Mapping[str, Any], builder: str) -> Commands:
    """Makes the image of the application's live release on the first manager. From here on the run
    holds the application's lock there, so that no release or other update comes between.

    + app: the application
    + request: that of `on_host_image.py`
    + builder: name of the first manager
    """
    if host.name != builder:
        host.noop(f"{builder} makes the images")
        return
    brief = {key: request[key] for key in ("name", "recipe", "balancer")}
    told: Images = host.get_fact(Told, module="on_host_image", function="state", request=brief)
    _known()[app] = told
    host.connector_data.setdefault(ASKED, {})[app] = brief
    if told["release"] is None or not told["release"].endswith(f"-{request['digest']}"):
        raise OperationError(
            f"{app}: the live release on {builder} is {told['release'] or 'missing'}, not what "
            f"this machine has now: groundcrew release {app}"
        )
    if told["image"] and told["balancer"]:
        host.noop(f"{app}: image {told['image']['tag']} is there")
        return
    record.change(host, [f"image of {app} {told['release']}"])
    if not take_lock_on(host, AppPaths(app)):
        yield failure()
        return
    yield FunctionCommand(_make, (app, dict(request), connector_arguments(host)), {})


def _known() -> dict[str, Images]:
    known: dict[str, Images] = host.connector_data.setdefault(IMAGES, {})
    return known


def _make(
    state: State,  # noqa: ARG001 - pyinfra's signature
    host: Host,
    name: str,
    request: dict[str, Any],
    arguments: Mapping[str, Any],
) -> bool:
    began = time.monotonic()
    held = lock.run_of(host, AppPaths(name))
    told = _call(host, arguments, "on_host_image", "make", request, run=held)
    host.connector_data[IMAGES][name] = told
    host.log(f"{told['image']['tag']} in {time.monotonic() - began:.0f} s")
    return True


@operation()
def shipped(app: str, builder: str, registry: str | None) -> Commands:
    """Brings the image to the host by way of this machine; its digest is checked. The swarm itself
    pulls from a registry.

    + app: the application
    + builder: name of the first manager
    + registry: the registry; None for this machine
    """
    told = _host(builder).connector_data.get(IMAGES, {}).get(app) or {}
    wanted = [told[key] for key in ("image", "balancer") if told.get(key)]
    if host.name == builder or registry or not wanted:
        host.noop("nothing to bring")
        return
    missing = [
        item
        for item in wanted
        if not host.get_fact(Told, module="on_host_image", function="present", request=item)
    ]
    if not missing:
        host.noop(f"{app}: the images are here")
        return
    record.change(host, [f"image {item['tag']}" for item in missing])
    yield FunctionCommand(_ship, (builder, missing, connector_arguments(host)), {})


def _ship(
    state: State,  # noqa: ARG001 - pyinfra's signature
    host: Host,
    builder: str,
    missing: Sequence[Mapping[str, str]],
    arguments: Mapping[str, Any],
) -> bool:
    source = _host(builder)
    for item in missing:
        began = time.monotonic()
        file, digest = _fetched(source, item["tag"], arguments)
        path = stage(host, file, "groundcrew-image")
        size = file.stat().st_size >> 20
        request = {**item, "path": path, "digest": digest}
        _call(host, arguments, "on_host_image", "load", request)
        host.log(f"{item['tag']}: {size} MiB in {time.monotonic() - began:.0f} s")
    return True


def _fetched(source: Host, tag: str, arguments: Mapping[str, Any]) -> tuple[Path, str]:
    """The file of an image on this machine, and its digest: fetched once for all hosts, as a host's
    connection cannot serve two at the same time."""
    with _FETCHING:
        if tag not in _FETCHED:
            folder = tempfile.TemporaryDirectory(prefix="groundcrew-image-")
            file = Path(folder.name) / "image.tar.gz"
            _FETCHED[tag] = (folder, file, _fetch(source, tag, file, arguments))
        _, file, digest = _FETCHED[tag]
        return file, digest


def _fetch(source: Host, tag: str, file: Path, arguments: Mapping[str, Any]) -> str:
    """Brings an image to this machine; returns its digest."""
    done, output = source.run_shell_command(f"mktemp -d {STAGING}/groundcrew-image-XXXXXXXXXX")
    if not done:
        raise OperationError(f"no staging directory on {source.name}: {output.output}")
    folder = output.stdout_lines[-1]
    try:
        request = {"tag": tag, "path": f"{folder}/image.tar.gz"}
        told: Saved = _call(source, arguments, "on_host_image", "save", request)
        if not fetch_file(source, request["path"], file, told["size"]):
            raise OperationError(f"{tag} cannot be fetched from {source.name}")
    except TooLongError as error:
        raise OperationError(f"{tag} cannot be fetched from {source.name}: {error}") from None
    finally:
        source.run_shell_command(f"rm -rf {folder}")
    return told["digest"]


@dataclass(frozen=True)
class Update:
    """How an application in the swarm is brought to its wanted state."""

    request: Callable[[Mapping[str, Any]], dict[str, Any]]
    """From the images to the request to `on_host_stack.py`, which contains values of secrets."""

    builder: str
    """Name of the first manager."""

    registry: str | None
    """Registry that the images are pushed to."""

    everyone: Sequence[str]
    """Names of the swarm's hosts."""

    keep: int
    """Number of images that are kept."""

    def __repr__(self) -> str:
        """Omits what could contain secrets."""
        return f"Update({self.builder!r})"


@operation()
def running(app: str, update: Update) -> Commands:
    """Brings the application in the swarm to its wanted state, and waits until it is there.

    + app: the application
    + update: how
    """
    if host.name != update.builder:
        host.noop(f"{update.builder} tells the swarm")
        return
    told = _known().get(app)
    if not told or not told["image"] or not told["balancer"]:
        if host.state.is_executing:
            raise OperationError(f"{app}: there is no image")
        yield FunctionCommand(lambda: None, (), {})
        return
    wanted = update.request(_pushed(told, update.registry))
    lines = _differences(app, wanted)
    if lines and host.state.is_executing:
        if not take_lock_on(host, AppPaths(app)):
            yield failure()
            return
        # Before the lock was taken, another run may have changed the state.
        _still_live(app, told["release"])
        lines = _differences(app, wanted)
    if not lines:
        host.noop(f"{app}: the swarm runs {told['release']}")
        lock.release(host, app)
        return
    record.change(host, lines)
    for text in lines if host.state.config.DIFF else ():
        host.log(text)
    work = _Work(host, app, told, wanted, update, connector_arguments(host))
    yield FunctionCommand(work.run, (), {})
    if host.state.is_executing:
        lock.give_up(host, app)


def _differences(app: str, wanted: Mapping[str, Any]) -> list[str]:
    # Names of secrets contain digests of their values. All users of the host can read a fact's
    # request, so they are compared here.
    there = host.get_fact(Told, module="on_host_stack", function="state", request={"app": app})
    return differences(there, wanted)


def _still_live(app: str, release: str | None) -> None:
    """Raises OperationError if the release that the image was made of is no longer live."""
    asked = host.connector_data[ASKED][app]
    now = host.get_fact(Told, module="on_host_image", function="state", request=asked)
    if now["release"] != release:
        raise OperationError(
            f"{app}: {now['release']} has become live meanwhile, and the image is of {release}: "
            "run this again"
        )


def _pushed(told: Mapping[str, Any], registry: str | None) -> dict[str, Any]:
    """The images with the names that the swarm knows them by."""
    if registry is None:
        return dict(told)
    named = {
        key: {**told[key], "tag": f"{registry}/{told[key]['tag']}"} for key in ("image", "balancer")
    }
    return {**told, **named}


def _names(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the request that names what is kept, without values."""
    kept = {key: wanted[key] for key in ("app", "hooks_note")}
    named = {
        kind: [{"name": item["name"]} for item in wanted[kind]] for kind in ("secrets", "configs")
    }
    return {**kept, **named}


@dataclass(frozen=True)
class _Work:
    """An update that is made."""

    host: Host
    app: str
    told: Mapping[str, Any]
    wanted: Mapping[str, Any]
    update: Update
    arguments: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"_Work({self.app!r})"

    def call(
        self, module: str, function: str, request: Mapping[str, Any], on: Host | None = None
    ) -> Any:
        """What a function tells, as a step of this run."""
        there = on or self.host
        # Only the first manager has the application's lock.
        held = lock.run_of(there, AppPaths(self.app)) if there is self.host else None
        return _call(there, self.arguments, module, function, request, run=held)

    def run(self, state: State, host: Host) -> bool:  # noqa: ARG002 - pyinfra's signature
        """Makes the update; returns whether it has succeeded, and tells why not. pyinfra heeds the
        answer of a function with these two arguments alone."""
        if self.update.registry:
            for key in ("image", "balancer"):
                request = {**self.told[key], "registry": self.update.registry}
                self.call("on_host_image", "push", request)
        problem = self.earlier() or self.begun()
        if problem:
            text = f"{self.app}: {problem}"
            self.host.log_styled(text, log_func=logger.error, fg="red")
            return False
        self.call("on_host_stack", "clean", _names(self.wanted))
        for name in self.update.everyone:
            member = self.host.state.inventory.get_host(name)
            if member.connected:
                kept = {"keep": self.update.keep, "image": self.told["image"]["id"]}
                self.call("on_host_image", "prune", {"name": self.app, **kept}, on=member)
        return True

    def earlier(self) -> str | None:
        """Waits for the end of an earlier update, whichever that is; returns why that failed."""
        return self.wait(lambda told: (not any(map(busy, told["services"])), None))

    def begun(self) -> str | None:
        """Tells the swarm what it must be told, and waits until it is there; returns why that
        failed."""
        there: Stack = self.call("on_host_stack", "state", {"app": self.app})
        if changes(there, self.wanted):
            self.call("on_host_stack", "begin", dict(self.wanted))
            # The swarm may not have begun yet: then all looks as before, and well.
            time.sleep(POLL)
        return self.wait(lambda told: ended(told, self.wanted["digests"]))

    def wait(self, judge: Callable[[Progress], tuple[bool, str | None]]) -> str | None:
        """Tells the progress until it is judged to have ended; returns why it failed, None if it
        has not."""
        deadline = time.monotonic() + self.wanted["timeout"]
        last = ""
        while True:
            request = {"app": self.app, "most": MOST}
            told: Progress = self.call("on_host_progress", "progress", request)
            done, problem = judge(told)
            text = line(told)
            # What is there at once needs no line.
            if text != last and (last or not done):
                self.host.log(f"{self.app}: {text}")
                last = text
            if done:
                return problem
            if time.monotonic() > deadline:
                return f"not done after {self.wanted['timeout']} s: {text}"
            time.sleep(POLL)
