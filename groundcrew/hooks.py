"""What groundcrew changes in pyinfra's own run; called once from config.py.

pyinfra has no hook between "inventory loaded" and "connect", so the state's initialisation is
wrapped: a run with bad settings must end before any connection is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pyinfra.api import Host
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback, State

from groundcrew import offline, profile, transport
from groundcrew.console import inner
from groundcrew.releases import apart, lock, once, rollout
from groundcrew.settings.host import HostBase
from groundcrew.settings.load import load_all
from groundcrew.settings.needs import Need, of_run
from groundcrew.settings.selection import check_data_arguments

PROJECT = Path(__file__).resolve().parent.parent


class _Releases(BaseStateCallback):
    """What a failure on one host means for the release on others, and for its lock.

    A generator that is left at a failed command cannot tell in time, so pyinfra's callback does.
    """

    @staticmethod
    def operation_host_error(
        state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        del retry_count, max_retries
        arguments = state.get_op_data_for_host(host, op_hash).global_arguments
        if arguments["_ignore_errors"]:
            step = ", ".join(sorted(state.get_op_meta(op_hash).names)).rpartition(" | ")[2]
            for name in apart.blamed(host):
                apart.fail(host, name, step)
                once.failed(host.name, name)
                rollout.rollout(name).fail(host.name)
                lock.give_up(host, name)
            apart.begin(host, ())
            return
        once.failed(host.name)
        rollout.host_failed(host.name)
        # A host whose run failed must not look as if its operator had vanished.
        lock.release_all(host)

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        del state
        lock.release_all(host)


def install(
    model: type[HostBase],
    without_hosts: Iterable[str] = (),
    reads: Mapping[str, Iterable[Need]] | None = None,
) -> None:
    """Validate all hosts' settings before connecting, and tune the SSH transport.

    `without_hosts` are playbooks, relative to the project, that are run instead of connecting.
    `reads` says which of the operator's secrets a playbook reads; one that is not named reads all.
    """
    check_data_arguments()
    inner.install(PROJECT)
    transport.install()
    needs = {PROJECT / name: tuple(items) for name, items in (reads or {}).items()}
    playbooks = [PROJECT / name for name in without_hosts]
    original = State.init
    if getattr(original, "groundcrew", False):
        return

    def init(self: State, inventory: Inventory, config: Config | None, **kwargs: Any) -> None:
        load_all(inventory, model, PROJECT, of_run(needs))
        original(self, inventory, config, **kwargs)
        inner.attach(self)
        profile.attach(self)
        self.add_callback_handler(_Releases())
        offline.run(playbooks)

    init.groundcrew = True  # type: ignore[attr-defined]
    State.init = init  # type: ignore[method-assign,assignment]
