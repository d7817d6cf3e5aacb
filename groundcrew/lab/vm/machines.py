"""Virtual machines: started and removed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from groundcrew.lab import keys, plan, ports
from groundcrew.lab.checkout import lock, state_directory
from groundcrew.lab.model import ADMIN, Host, Ports
from groundcrew.lab.plan import Request
from groundcrew.lab.process import LabError, run, say
from groundcrew.lab.vm import files as places
from groundcrew.lab.vm import image, power, tools, wait
from groundcrew.lab.vm.accelerate import acceleration
from groundcrew.lab.vm.files import Files, files_of
from groundcrew.lab.vm.model import Machine
from groundcrew.lab.vm.qemu import Acceleration, Image, machine_command, overlay_command
from groundcrew.lab.vm.seed import USER, seed

ANY = Ports(0, 0)
"""Placeholder while the ports do not matter."""


def existing() -> list[Host]:
    """Return this lab's virtual machines, running or not."""
    return [machine.host(power.running(files_of(machine.name))) for machine in _machines()]


def _machines() -> list[Machine]:
    records = sorted(places.MACHINES.glob("*/machine.json"))
    return [Machine.read(path.read_text()) for path in records]


def login_user(host: Host) -> str:
    """Return the user to log in as on a running machine."""
    return wait.login_user(_read(host.name))


def up(request: Request, taken: Iterable[int]) -> None:
    """Make sure the machines run as requested, and return once they can be reached.

    An existing machine is left as it is unless `request.fresh` is set or its first boot was
    interrupted. `taken` are ports reserved for other hosts. Raises `LabError`.
    """
    with lock("up"):
        tools.ensure()
        public_key = keys.ensure()
        present = {host.name: host for host in existing()}
        # Machines have no address of their own, so their ports are always published.
        published = replace(request, publish=True)
        suites = {spec.suite for spec in plan.specs(published, present, lambda: ANY)}
        images = {suite: image.ensure(suite) for suite in sorted(suites)}
        how = acceleration(images[min(images)])
        # Chosen only now: the steps above can take minutes, in which others may take ports.
        ssh_port = ports.for_ssh(taken)
        machines = []
        for spec in plan.specs(published, present, ports.chooser(taken)):
            host = present.get(spec.name)
            if host and (request.fresh or not _usable(host)):
                say(f"{spec.name}: removing")
                _remove(host)
            elif host:
                machine = _read(spec.name)
                _switch_on(machine, how)
                machines.append(machine)
                continue
            say(f"{spec.name}: creating ({spec.suite})")
            port = host.ssh_port if host else ssh_port()
            machine = Machine.made(spec, port, str(images[spec.suite].directory))
            _create(machine, public_key, how)
            machines.append(machine)
    _for_each(machines)


def down(doomed: Sequence[Host]) -> None:
    """Remove these machines and their disks."""
    with lock("up"):
        for host in doomed:
            _remove(host)


def _usable(host: Host) -> bool:
    """Return whether the machine's first boot was completed or is still in progress."""
    return host.running or _read(host.name).booted


def _read(name: str) -> Machine:
    return Machine.read(files_of(name).machine.read_text())


def _remove(host: Host) -> None:
    files = files_of(host.name)
    power.switch_off(files)
    keys.trust(_read(host.name).known_as, [])
    shutil.rmtree(files.directory)


def _create(machine: Machine, public_key: str, how: Acceleration) -> None:
    files = files_of(machine.name)
    state_directory()
    shutil.rmtree(files.directory, ignore_errors=True)
    files.seed.mkdir(parents=True)
    for name, text in seed(machine.name, public_key).items():
        (files.seed / name).write_text(text)
    run(overlay_command(Image(Path(machine.image)), files))
    _write(machine, files)
    try:
        _switch_on(machine, how)
    except LabError:
        shutil.rmtree(files.directory)
        raise


def _write(machine: Machine, files: Files) -> None:
    """Write a new file and rename it: listing the lab never sees a partial file."""
    staged = files.machine.with_name("machine.json.new")
    staged.write_text(machine.text())
    staged.replace(files.machine)


def _switch_on(machine: Machine, how: Acceleration) -> None:
    files = files_of(machine.name)
    if power.running(files) is None:
        say(f"{machine.name}: starting ({how})")
        picture = Image(Path(machine.image))
        power.switch_on(files, machine_command(machine, files, picture, how))


def _for_each(machines: Sequence[Machine]) -> None:
    """Wait for all machines in parallel; raise the errors only after all have been tried."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = [pool.submit(_wait_until_ready, machine) for machine in machines]
    errors = [str(error) for future in futures if (error := future.exception())]
    if errors:
        raise LabError("\n".join(errors))


def _wait_until_ready(machine: Machine) -> None:
    started = time.monotonic()
    files = files_of(machine.name)
    users: tuple[str, ...] = (ADMIN, USER)
    if not machine.booted:
        keys.trust(machine.known_as, wait.first_boot(machine, files))
        users = (USER,)
    state = wait.settled(machine, files, users)
    if not machine.booted:
        _write(replace(machine, booted=True), files)
    say(
        f"{machine.name}: up at 127.0.0.1:{machine.ssh_port} ({state}, "
        f"{time.monotonic() - started:.1f} s)"
    )
