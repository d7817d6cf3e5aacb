"""Lab hosts in containers: started and removed."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from groundcrew.lab import engine, image, keys, network, plan, ports
from groundcrew.lab.checkout import OURS, lock
from groundcrew.lab.engine import docker
from groundcrew.lab.model import ADMIN, BOOTSTRAP, Host, Spec, parse_inspect
from groundcrew.lab.plan import Request
from groundcrew.lab.process import LabError, say, tail

BOOT_SECONDS = 180
SSHD_SECONDS = 20
SETTLED = ("running", "degraded")
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
DEFAULT_INSTANCES = 128
AUTHORIZE = (
    "install -d -m 0700 /root/.ssh && umask 077 && cat >/root/.ssh/authorized_keys.new && "
    "mv /root/.ssh/authorized_keys.new /root/.ssh/authorized_keys"
)


def existing() -> list[Host]:
    """Return this lab's containers, running or not; none if no engine answers."""
    try:
        return _described()
    except LabError:
        if engine.answers():
            raise
        return []


def _described() -> list[Host]:
    listed = docker("ps", "--all", "--quiet", "--filter", f"label={OURS}").stdout.split()
    if not listed:
        return []
    # `docker inspect` fails if a host was removed meanwhile, but still describes the others.
    described = docker("inspect", *listed, check=False)
    if not described.stdout.strip():
        raise LabError(f"`docker inspect` failed: {tail(described.stderr)}")
    return parse_inspect(json.loads(described.stdout))


def login_user(host: Host) -> str:
    """Return the user to log in as: root on a bare host, the admin user after the first deploy.

    The engine is asked, since fail2ban would count a refused login.
    """
    keys_file = f"/home/{ADMIN}/.ssh/authorized_keys"
    result = docker("exec", host.container, "test", "-s", keys_file, check=False)
    return ADMIN if result.returncode == 0 else BOOTSTRAP


def up(request: Request, taken: frozenset[int]) -> None:
    """Make sure the hosts run as requested, and return once they can be reached.

    An existing host is left as it is unless `request.fresh` is set. `taken` are ports reserved for
    other hosts. Raises `LabError`.
    """
    with lock("up"):
        engine.ensure()
        public_key = keys.ensure()
        present = {host.name: host for host in existing()}
        specs = plan.specs(request, present, ports.chooser(taken))
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


def down(doomed: Sequence[Host]) -> None:
    """Remove these hosts, and the network with the last one."""
    with lock("up"):
        _remove(doomed)
        if not existing():
            # The engine has address ranges for only about thirty networks.
            network.remove()


def _remove(doomed: Sequence[Host]) -> None:
    if doomed:
        docker("rm", "--force", "--volumes", *[host.container for host in doomed], timeout=120)
    for host in doomed:
        keys.trust(filter(None, [host.name, host.address, host.address6]), [])


def _create_or_start(spec: Spec, host: Host | None, tag: str) -> None:
    if host is None:
        say(f"{spec.name}: creating ({spec.suite})")
        try:
            docker(*spec.run_arguments(tag), timeout=120)
        except LabError:
            # If starting fails, for example because a port is in use, the container still exists.
            docker("rm", "--force", "--volumes", spec.container, check=False)
            raise
    elif not host.running:
        say(f"{spec.name}: starting")
        docker("start", host.container, timeout=120)


def _for_each(specs: Sequence[Spec], action: Callable[[Spec], None]) -> None:
    """Run `action` on all hosts in parallel; raise the errors only after all have been tried."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = [pool.submit(action, spec) for spec in specs]
    errors = [str(error) for future in futures if (error := future.exception())]
    if errors:
        raise LabError("\n".join(errors))


def _wait_until_ready(spec: Spec, public_key: str) -> None:
    """Wait until systemd has settled and sshd answers over the network, then trust the host's
    keys."""
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
        # The command fails until the bus is up, hence the loop.
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
    raise LabError(
        f"{spec.name}: systemd did not settle:\n{tail(log.stdout + log.stderr)}\n{many_hosts()}"
    )


def many_hosts() -> str:
    """Advice if this machine's limit of inotify instances is Linux' default, which about fifteen
    hosts use up; empty if it is higher."""
    try:
        limit = int(INSTANCES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""
    if limit > DEFAULT_INSTANCES:
        return ""
    return (
        f"If many lab hosts run: fs.inotify.max_user_instances is {limit}, which suffices for "
        "about fifteen; raise it with `sysctl -w fs.inotify.max_user_instances=1024`"
    )


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
