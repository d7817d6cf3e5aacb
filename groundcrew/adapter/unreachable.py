"""Hosts that are down when a run connects are left out of it, where the operator has said so.

pyinfra ends the run, as it does for any host that fails. A host that answers and refuses, or whose
host key has changed, ends it in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.state import StateStage

from groundcrew.adapter.patching import expect, replace
from groundcrew.transport import DOWN


def install(skips: Callable[[Host], bool]) -> None:
    """Replaces pyinfra's method; `skips` tells whether a host may be left out. Raises
    UnexpectedPyinfraError if pyinfra is not as expected."""
    expect(State, "fail_hosts", "hosts_to_fail", "activated_count")
    expect(State, "is_host_in_limit", "host")

    def skipping(fail: Callable[..., None]) -> Callable[..., None]:
        def fail_or_skip(self: State, hosts_to_fail: set[Host], *args: Any, **kwargs: Any) -> None:
            connecting = self.current_stage == StateStage.Connect
            down = connecting and all(is_down(host) and skips(host) for host in hosts_to_fail)
            if not (down and hosts_to_fail and self.active_hosts):
                fail(self, hosts_to_fail, *args, **kwargs)
                return
            self.failed_hosts.update(hosts_to_fail)
            # From here on, they are what `--limit` leaves out.
            self.limit_hosts = [
                host
                for host in self.inventory
                if self.is_host_in_limit(host) and host not in hosts_to_fail
            ]
            for name in sorted(host.name for host in hosts_to_fail):
                logger.warning(f"    [{name}] is left out: it is down (run.unreachable is skip)")

        return fail_or_skip

    replace(State, "fail_hosts", skipping)


def is_down(host: Host) -> bool:
    """Whether nothing answered when the host was connected to."""
    return bool(host.connector_data.get(DOWN))


def skipped(state: State) -> set[str]:
    """The names of the hosts that are left out of a run."""
    return {
        host.name
        for host in state.failed_hosts
        if is_down(host) and not state.is_host_in_limit(host)
    }
