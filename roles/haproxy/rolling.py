"""One host after the other: out of the balancers, something is done to it, back when it is healthy.

One operation, on the first host of the run, works on all hosts, as only that keeps their order.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gevent.pool import Pool  # type: ignore[import-untyped]
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, StringCommand, operation
from pyinfra.api.exceptions import PyinfraError

from groundcrew import remote, transport
from groundcrew.releases.undo import connector_arguments
from groundcrew.roles.haproxy import shared
from groundcrew.roles.haproxy.brings import ON_HOST

# The ID of the boot is the machine's, and so that of all containers; their first process is not.
BOOT = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"
REBOOT = "( sleep 1; systemctl reboot ) </dev/null >/dev/null 2>&1 &"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300"
KEEP = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
COUNT = f"{APT} -s upgrade --with-new-pkgs | grep -c '^Inst '"
UPGRADABLE = f"{APT} update >/dev/null && {{ {COUNT} || true; }}"
UPGRADE = f"{APT} {KEEP} upgrade --with-new-pkgs"
UNITS = "systemctl list-units --type=service --state=running --plain --no-legend --full --no-pager"
SHOWN = "systemctl show --no-pager --property=Id,LoadState,ActiveState,UnitFileState"
SERVICES = f"{UNITS} | cut -d' ' -f1 | xargs -r {SHOWN} --"
NEEDED = "test ! -e /run/reboot-required || echo yes"
RENEWAL = "groundcrew-renew.service"
RENEW = f"! systemctl cat {RENEWAL} >/dev/null 2>&1 || systemctl start {RENEWAL}"
PAUSE = 1.0
"""Seconds between two attempts to log in to a host that restarts."""


@dataclass(frozen=True)
class Plan:
    """What is done, and to which hosts."""

    what: Literal["reboot", "upgrade"]
    behind: Sequence[str]
    """Hosts behind balancers, in the order of the inventory."""

    others: Sequence[str]
    """Other hosts. They come last, each alone."""

    balancers: Mapping[str, Mapping[str, Any]]
    """Balancer -> the request to `roles/haproxy/on_host.py`."""

    batch: int
    down: int
    back: int
    reboot: bool = False
    shared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Balancer -> the request to `roles/haproxy/on_host_address.py`, if balancers share an
    address."""

    @property
    def batches(self) -> list[tuple[str, ...]]:
        """The hosts that are out at the same time: one first, then as many as are allowed."""
        first, rest = self.behind[:1], self.behind[1:]
        steps = [tuple(rest[at : at + self.batch]) for at in range(0, len(rest), self.batch)]
        return [*([tuple(first)] if first else []), *steps, *((name,) for name in self.others)]


class RollingError(Exception):
    """The run cannot go on; the message says why."""


@operation(is_idempotent=False)
def roll(plan: Plan) -> Generator[FunctionCommand, None, None]:
    """Does it to all hosts, in batches. Stops at the first that does not come back healthy.

    + plan: what, and to which hosts
    """
    yield FunctionCommand(_run, (plan,), {})


def _run(state: State, host: Host, plan: Plan) -> bool:
    arguments = connector_arguments(host)
    work = _Work(state, plan, arguments)
    left = [name for batch in plan.batches for name in batch]
    try:
        work.put_all_back()
        for batch in work.ordered():
            work.one(batch)
            left = [name for name in left if name not in batch]
    except RollingError as error:
        host.log_styled(str(error), log_func=logger.error, fg="red")
        if left:
            text = f"Not done: {', '.join(left)}. Run the same command again to go on."
            host.log_styled(text, log_func=logger.error, fg="red")
        return False
    return True


@dataclass
class _Work:
    state: State
    plan: Plan
    arguments: Mapping[str, Any]

    def one(self, batch: Sequence[str]) -> None:
        """Takes a batch out, does it, and puts the batch back, whatever happens: the checks of the
        balancers keep out who is not healthy."""
        behind = [name for name in batch if name in self.plan.behind]
        if self.plan.what == "upgrade" and not any(self.together(batch, self.upgradable)):
            for name in batch:
                logger.info(f"    [{name}] has no package to upgrade")
            return
        if behind:
            self.refuse_if_down(behind)
        sharing = [name for name in batch if name in self.plan.shared]
        try:
            if behind:
                self.drain(behind)
            for name in sharing:
                self.hand_over(name)
            self.together(batch, self.work)
            for name in sharing:
                self.stand_by(name)
            if behind:
                self.healthy(behind)
            self.serving([name for name in batch if name in self.plan.balancers])
        except BaseException:
            for name in sharing:
                self.take_part_again(name)
            if behind:
                self.on_balancers("ready", behind)
            raise
        late = self.on_balancers("ready", behind, seconds=self.plan.back) if behind else {}
        if any(late.values()):
            told = "; ".join(f"{name}: {', '.join(lines)}" for name, lines in late.items() if lines)
            raise RollingError(f"not up again: {told}")
        for name in behind:
            logger.info(f"    [{name}] gets requests again")

    def put_all_back(self) -> None:
        """Heals what an interrupted run has left."""
        for name in self.plan.balancers:
            self.call(name, "converge", {})
        for name in self.plan.shared:
            if why := self.of_address(name, "stand_by"):
                logger.warning(f"    [{name}] could not take the shared address: {why}")

    def ordered(self) -> Iterator[tuple[str, ...]]:
        """The batches. Of the balancers that share an address, the one that holds it comes last."""
        mine = [batch for batch in self.plan.batches if batch[0] in self.plan.shared]
        yield from (batch for batch in self.plan.batches if batch not in mine)
        # Asked when their turn comes: the address may have moved meanwhile.
        yield from sorted(mine, key=lambda batch: bool(self.of_address(batch[0], "held")))

    def hand_over(self, name: str) -> None:
        """Lets another balancer take the shared address, if this one holds it. Raises
        RollingError, with the address where it was, if none takes it."""
        if self.of_address(name, "hand_over"):
            logger.info(f"    [{name}] has handed over the shared address")

    def stand_by(self, name: str) -> None:
        """Waits until a balancer could take the shared address. Raises RollingError."""
        why: str = self.of_address(name, "stand_by", {"seconds": self.plan.back})
        if why:
            raise RollingError(f"{name} could not take the shared address: {why}")

    def take_part_again(self, name: str) -> None:
        """Starts keepalived after a failure: nobody else would before the next run. If that fails
        too, it is told, and the first failure remains the reason."""
        try:
            why = self.of_address(name, "stand_by")
        except Exception as error:
            # The host may be gone, in any way.
            why = str(error) or type(error).__name__
        if why:
            logger.warning(f"    [{name}] could not take the shared address: {why}")

    def of_address(self, name: str, function: str, more: Mapping[str, Any] | None = None) -> Any:
        """Calls a function of `roles/haproxy/on_host_address.py` on one balancer."""
        return self.function(
            name, shared.ON_HOST, function, {**self.plan.shared[name], **(more or {})}
        )

    def refuse_if_down(self, batch: Sequence[str]) -> None:
        """Raises RollingError if other hosts are down."""
        told = self.on_balancers("down", batch)
        lines = sorted({line for reported in told.values() for line in reported})
        down = {line.split(" ", 1)[0] for line in lines}
        if len(down) > self.plan.down:
            raise RollingError(
                f"{', '.join(batch)} would be the next, but {'; '.join(lines)}: bring it up first, "
                f"or allow it with --data down={len(down)}"
            )

    def drain(self, batch: Sequence[str]) -> None:
        """Lets the balancers send no more requests, and waits for those in progress."""
        for name, lines in self.on_balancers("drain", batch).items():
            for line in lines:
                logger.warning(f"    [{name}] {line} had not ended")
        logger.info(f"    [{', '.join(batch)}] gets no more requests")

    def healthy(self, batch: Sequence[str]) -> None:
        """Waits until the balancers get healthy answers from the hosts themselves."""
        told = self.on_balancers("healthy", batch, seconds=self.plan.back)
        lines = sorted({line for reported in told.values() for line in reported})
        if lines:
            raise RollingError(f"not healthy after {self.plan.back} s: {'; '.join(lines)}")

    def serving(self, balancers: Sequence[str]) -> None:
        """Waits until balancers that have restarted serve again: another one may be the next."""
        for name in balancers:
            lines: list[str] = self.call(name, "serving", {"seconds": self.plan.back})
            if lines:
                raise RollingError(f"{name}: not up again after {self.plan.back} s: {lines[0]}")

    def work(self, name: str) -> None:
        """What is done to one host. Raises RollingError if a service does not run afterwards that
        ran before."""
        host = self.host(name)
        ran = self.services(host)
        self.change(name, host)
        self.run_again(host, ran)

    def change(self, name: str, host: Host) -> None:
        """Upgrades or restarts a host."""
        if self.plan.what == "upgrade":
            self.shell(host, UPGRADE)
            logger.info(f"    [{name}] has new packages")
            needed = self.shell(host, NEEDED)
            if not (needed and self.plan.reboot):
                if needed:
                    logger.warning(f"    [{name}] needs a restart: --data reboot=yes, or reboot.py")
                self.shell(host, RENEW)
                return
        began = time.monotonic()
        before = self.boot(host)
        self.shell(host, REBOOT)
        self.wait(host, before)
        logger.info(f"    [{name}] has restarted, in {time.monotonic() - began:.0f} s")

    def wait(self, host: Host, before: str) -> None:
        """Waits until the host has restarted. Raises RollingError if it does not come back."""
        deadline = time.monotonic() + self.plan.back
        while True:
            time.sleep(PAUSE)
            if transport.reconnect(host) and self.boot(host) not in (before, ""):
                return
            if time.monotonic() > deadline:
                raise RollingError(f"{host.name} has not come back within {self.plan.back} s")

    def services(self, host: Host) -> list[str]:
        """The running services that start at boot."""
        shown = self.shell(host, SERVICES)
        return [item["Id"] for item in blocks(shown) if item.get("UnitFileState") == "enabled"]

    def run_again(self, host: Host, names: Sequence[str]) -> None:
        """Waits until the services run. Raises RollingError for one that has failed, or that does
        not run in time. One that does not exist any more need not run."""
        deadline = time.monotonic() + self.plan.back
        while names:
            shown = blocks(self.shell(host, f"{SHOWN} -- {' '.join(map(shlex.quote, names))}"))
            failed = [item["Id"] for item in shown if item.get("ActiveState") == "failed"]
            if failed:
                raise RollingError(f"{host.name}: {', '.join(failed)} failed")
            names = [
                item["Id"]
                for item in shown
                if item.get("ActiveState") != "active" and item.get("LoadState") == "loaded"
            ]
            if names and time.monotonic() > deadline:
                raise RollingError(
                    f"{host.name}: {', '.join(names)} does not run after {self.plan.back} s"
                )
            if names:
                time.sleep(PAUSE)

    def boot(self, host: Host) -> str:
        """What differs after a restart; empty if the host cannot be asked."""
        try:
            arguments = transport.arguments_of(host, self.arguments)
            good, output = host.run_shell_command(StringCommand(BOOT), **arguments)
        except transport.LOST:
            return ""
        return str(output.stdout) if good else ""

    def upgradable(self, name: str) -> int:
        """Number of packages that a host can upgrade."""
        return int(self.shell(self.host(name), UPGRADABLE).split()[-1])

    def together(self, names: Sequence[str], do: Callable[[str], Any]) -> list[Any]:
        """Does the same with several hosts at the same time. Raises the first RollingError."""

        def attempt(name: str) -> Any:
            try:
                return do(name)
            except RollingError as error:
                return error

        results = list(Pool(len(names)).imap(attempt, names))
        for result in results:
            if isinstance(result, RollingError):
                raise result
        return results

    def on_balancers(
        self, function: str, hosts: Sequence[str], seconds: float = 0
    ) -> dict[str, list[str]]:
        """What a function of `roles/haproxy/on_host.py` returns, by balancer."""
        request = {"hosts": list(hosts), "seconds": seconds}
        return {name: self.call(name, function, request) for name in self.plan.balancers}

    def call(self, balancer: str, function: str, request: Mapping[str, Any]) -> Any:
        """Calls a function on one balancer."""
        return self.function(
            balancer, ON_HOST, function, {**self.plan.balancers[balancer], **request}
        )

    def function(
        self, balancer: str, module: str, function: str, request: Mapping[str, Any]
    ) -> Any:
        """Calls a function of a module on one balancer."""
        payload = {"module": module, "function": function, "request": request}
        program = remote.command("call", payload=payload, modules=(module,))
        return json.loads(self.run(self.host(balancer), program).splitlines()[-1])

    def host(self, name: str) -> Host:
        """A host, which need not be among those that pyinfra has connected to."""
        host = self.state.inventory.get_host(name)
        if not host.connected:
            try:
                host.connect(reason="a balancer", raise_exceptions=True)
            except PyinfraError as error:
                raise RollingError(f"{name}: {error}") from error
        return host

    def shell(self, host: Host, text: str) -> str:
        """Output of a command. Raises RollingError if it fails."""
        return self.run(host, StringCommand("sh", "-c", _quoted(text)))

    def run(self, host: Host, command: StringCommand) -> str:
        """Output of a command. Raises RollingError if it fails."""
        arguments = transport.arguments_of(host, self.arguments)
        options = {**arguments, **command.connector_arguments}
        good, output = host.run_shell_command(command, **options)
        if not good:
            told = output.stderr.strip() or output.stdout.strip() or "failed"
            raise RollingError(f"{host.name}: {told}")
        return str(output.stdout)


def blocks(shown: str) -> list[dict[str, str]]:
    """The units in the output of `systemctl show`."""
    parts = [part for part in shown.strip().split("\n\n") if part]
    return [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in parts]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
