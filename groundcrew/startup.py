"""Prepares a run: what groundcrew does in pyinfra's process besides the operations. config.py calls
`install` once; the parts of pyinfra are replaced by `groundcrew.adapter`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyinfra.api import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback, State

from groundcrew import offline, profile
from groundcrew.adapter import (
    call_order,
    connections,
    directories,
    global_arguments,
    inventory_files,
    lost_hosts,
    read_ahead,
    unreachable,
)
from groundcrew.adapter import state as states
from groundcrew.console import ending
from groundcrew.inventories import groups_of_file
from groundcrew.project import PACKAGE
from groundcrew.project import ROOT as PROJECT
from groundcrew.releases import apart, lock, once, rollout
from groundcrew.report import asked as report
from groundcrew.settings.host import HostBase
from groundcrew.settings.load import load_all, settings_for
from groundcrew.settings.needs import Need, of_run
from groundcrew.settings.selection import check_data_arguments

LISTS = (
    PACKAGE / "loadtest" / "targets.py",
    PACKAGE / "operator" / "hosts.py",
    PACKAGE / "commands" / "workload_of_hosts.py",
)
"""What `groundcrew` commands run to read an inventory, without hosts and secrets."""


class _Releases(BaseStateCallback):
    """Handles the failure of an operation: for releases on other hosts, and for the locks.

    A generator that stops at a failed command cannot report it in time, so pyinfra's callback does.
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
        # Otherwise a failed run would look as if its operator had vanished.
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
    """Makes pyinfra validate all hosts' settings before it connects, and installs all other
    changes.

    `without_hosts` are playbooks, relative to the project, that run without connecting to hosts.
    `reads` defines which of the operator's secrets a playbook reads; a playbook that is not listed
    reads all.
    """
    check_data_arguments()
    ending.install(PROJECT)
    connections.install()
    call_order.install()
    directories.install()
    global_arguments.install()
    lost_hosts.install()
    unreachable.install(lambda host: settings_for(host).settings.run.unreachable == "skip")
    read_ahead.install()
    inventory_files.install(groups_of_file)
    needs = {PROJECT / name: tuple(items) for name, items in (reads or {}).items()}
    playbooks = [*(PROJECT / name for name in without_hosts), *LISTS]
    needs |= dict.fromkeys(LISTS, ())

    def loaded(inventory: Inventory) -> None:
        load_all(inventory, model, PROJECT, of_run(needs))
        report.prepare(inventory)

    def ready(state: State) -> None:
        ending.attach(state)
        profile.attach(state)
        state.add_callback_handler(_Releases())
        offline.run(playbooks)
        # Not for playbooks without hosts, which have ended by now.
        report.attach(state)

    states.install(loaded, ready)
