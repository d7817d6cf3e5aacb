"""Bringing lab hosts up and down."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from groundcrew.lab import engine, image, keys, network, plan
from groundcrew.lab.checkout import OURS, lock
from groundcrew.lab.engine import docker
from groundcrew.lab.model import ADMIN, BOOTSTRAP, Host, Ports, Spec, parse_inspect
from groundcrew.lab.plan import Request
from groundcrew.lab.process import LabError, say, tail

BOOT_SECONDS = 90
SSHD_SECONDS = 20
FIRST_HTTP_PORT = 8080
FIRST_HTTPS_PORT = 8443
SETTLED = ("running", "degraded")
AUTHORIZE = (
    "install -d -m 0700 /root/.ssh && umask 077 && cat >/root/.ssh/authorized_keys.new && "
    "mv /root/.ssh/authorized_keys.new /root/.ssh/authorized_keys"
)


def existing() -> list[Host]:
    """Return this checkout's hosts, running or not; raises `LabError` when no engine answers."""
    listed = docker("ps", "--all", "--quiet", "--filter", f"label={OURS}").stdout.split()
    if not listed:
        return []
    # It fails for a host that was removed meanwhile, and still describes the others.
    described = docker("inspect", *listed, check=False)
    if not described.stdout.strip():
        raise LabError(f"`docker inspect` failed: {tail(described.stderr)}")
    return parse_inspect(json.loads(described.stdout))


def running() -> list[Host]:
    """Return this checkout's hosts that run: none when no engine answers."""
    try:
        return [host for host in existing() if host.running]
    except LabError:
        if engine.answers():
            raise
        return []


def find(name: str) -> Host:
    """Return the running host `name`; raises `LabError` when there is none."""
    for host in running():
        if host.name == name:
            return host
    raise LabError(f"no lab host {name} is running; start it with bin/lab up {name}")


def login_user(host: Host) -> str:
    """Return who may log in: root on a bare host, the admin user from the first deploy on.

    Asked of the engine, since a login that is refused counts for fail2ban.
    """
    keys_file = f"/home/{ADMIN}/.ssh/authorized_keys"
    found = docker("exec", host.container, "test", "-s", keys_file, check=False)
    return ADMIN if found.returncode == 0 else BOOTSTRAP


def up(request: Request) -> list[Host]:
    """Make sure the hosts run as asked, and return them once they can be reached.

    A host that exists stays as it is, unless fresh ones are asked for. Raises `LabError`.
    """
    with lock("up"):
        engine.ensure()
        public_key = keys.ensure()
        present = {host.name: host for host in existing()}
        specs = plan.specs(request, present, _port_chooser(present.values()))
        images = {suite: image.ensure(suite) for suite in sorted({spec.suite for spec in specs})}
        network.ensure()
        replaced = [spec.name for spec in specs if spec.name in present and request.fresh]
        if replaced:
            say(f"removing {', '.join(replaced)}")
            _remove([present[name] for name in replaced])
        for spec in specs:
            host = None if spec.name in replaced else present.get(spec.name)
            _create_or_start(spec, host, images[spec.suite])
    _for_each(specs, lambda spec: _wait_until_ready(spec, public_key))
    names = {spec.name for spec in specs}
    return [host for host in existing() if host.name in names]


def down(names: Iterable[str]) -> list[str]:
    """Remove these hosts, or all of this lab's without a name; return which were removed. The last
    one takes the network along."""
    wanted = set(names)
    with lock("up"):
        present = existing()
        if missing := wanted - {host.name for host in present}:
            raise LabError(f"no lab host {', '.join(sorted(missing))}")
        doomed = [host for host in present if host.name in wanted or not wanted]
        _remove(doomed)
        if len(doomed) == len(present):
            # The engine has addresses for some thirty networks.
            network.remove()
    return [host.name for host in doomed]


def _remove(doomed: Sequence[Host]) -> None:
    if doomed:
        docker("rm", "--force", "--volumes", *[host.container for host in doomed], timeout=120)
    for host in doomed:
        keys.trust(filter(None, [host.name, host.address, host.address6]), [])


def _port_chooser(present: Iterable[Host]) -> Callable[[], Ports]:
    """Return a function that gives ports of 127.0.0.1 which nothing holds, other ones each time."""
    # A stopped host holds none now, but will when it is started.
    taken = {port for host in present for port in (host.http_port, host.https_port)}
    offsets = iter(range(1000))

    def choose() -> Ports:
        for offset in offsets:
            ports = Ports(FIRST_HTTP_PORT + offset, FIRST_HTTPS_PORT + offset)
            if not {ports.http, ports.https} & taken and _free(ports.http) and _free(ports.https):
                return ports
        raise LabError("no free port on 127.0.0.1 to publish a host's 80 and 443")

    return choose


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _create_or_start(spec: Spec, host: Host | None, tag: str) -> None:
    if host is None:
        say(f"{spec.name}: creating ({spec.suite})")
        try:
            docker(*spec.run_arguments(tag), timeout=120)
        except LabError:
            # A container that could not be started, for a port in use, exists nevertheless.
            docker("rm", "--force", "--volumes", spec.container, check=False)
            raise
    elif not host.running:
        say(f"{spec.name}: starting")
        docker("start", host.container, timeout=120)


def _for_each(specs: Sequence[Spec], action: Callable[[Spec], None]) -> None:
    """Run `action` on all hosts at once; all are tried before the first error is raised."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = [pool.submit(action, spec) for spec in specs]
    errors = [str(error) for future in futures if (error := future.exception())]
    if errors:
        raise LabError("\n".join(errors))


def _wait_until_ready(spec: Spec, public_key: str) -> None:
    """Wait until systemd has settled and sshd answers over the network, then trust its keys."""
    started = time.monotonic()
    state = _wait_for_systemd(spec)
    docker("exec", "--interactive", spec.container, "sh", "-c", AUTHORIZE, stdin=f"{public_key}\n")
    show_keys = docker("exec", spec.container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")
    [host] = parse_inspect(json.loads(docker("inspect", spec.container).stdout))
    _wait_for_sshd(host)
    keys.trust(
        filter(None, [host.name, host.address, host.address6]), show_keys.stdout.splitlines()
    )
    say(f"{spec.name}: up at {host.address} ({state}, {time.monotonic() - started:.1f} s)")


def _wait_for_systemd(spec: Spec) -> str:
    deadline = time.monotonic() + BOOT_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        # It fails while the bus is not there yet, hence the loop.
        asked = docker(
            "exec",
            spec.container,
            "systemctl",
            "is-system-running",
            "--wait",
            timeout=left + 1,
            check=False,
        )
        state = asked.stdout.strip()
        if state in SETTLED:
            return state
        if "is not running" in asked.stderr:
            break
        time.sleep(0.1)
    log = docker("logs", "--tail=15", spec.container, check=False)
    raise LabError(f"{spec.name}: systemd did not settle:\n{tail(log.stdout + log.stderr)}")


def _wait_for_sshd(host: Host) -> None:
    deadline = time.monotonic() + SSHD_SECONDS
    problem = "no answer"
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host.address, 22), timeout=3) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError as error:
            problem = str(error)
        time.sleep(0.1)
    raise LabError(
        f"{host.name}: sshd does not answer at {host.address}:22 ({problem}); the engine's network "
        "must be reachable from this machine"
    )
