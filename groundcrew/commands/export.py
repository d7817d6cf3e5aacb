"""`groundcrew export`: the files of an orchestrator, from an application's manifest."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from groundcrew import terminal
from groundcrew.commands import everyday
from groundcrew.operator import inventory
from groundcrew.operator.inventory import InventoryError
from groundcrew.orchestrators import kubernetes, swarm, texts, written
from groundcrew.orchestrators.workload import UID, Dropped, Workload
from groundcrew.project import PACKAGE, ROOT
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.workloads import NotExportedError, workload
from groundcrew.settings.errors import SettingsError
from groundcrew.settings.load import load_host
from groundcrew.settings.merge import Layer

SCRIPT = PACKAGE / "commands" / "workload_of_hosts.py"
ASKED = "GROUNDCREW_EXPORT"
FAILED = 1
AGREED = {"agree_tos": True, "email": "nobody@example.org"}


def parser() -> argparse.ArgumentParser:
    """The parser of the command's arguments."""
    top = argparse.ArgumentParser(
        prog="groundcrew export",
        description="Write the files of an orchestrator for an application, from its manifest.",
    )
    kinds = top.add_subparsers(dest="kind", required=True, metavar="kubernetes|swarm")
    _kubernetes(kinds.add_parser("kubernetes", help="objects of Kubernetes",
                                 description="Write objects of Kubernetes."))  # fmt: skip
    _swarm(kinds.add_parser("swarm", help="a stack of Docker Swarm",
                            description="Write a stack of Docker Swarm."))  # fmt: skip
    return top


def _common(one: argparse.ArgumentParser, proxy_image: str) -> None:
    one.add_argument("app", metavar="APP")
    one.add_argument("--image", required=True, help="image of the release, with its tag or digest")
    one.add_argument(
        "--proxy-image", default=proxy_image, metavar="IMAGE", help="nginx; default: %(default)s"
    )
    one.add_argument("--output", metavar="DIRECTORY", help="default: export/APP-KIND")
    one.add_argument(
        "--force", action="store_true", help="also overwrite files that no export has written"
    )
    everyday.add_inventory(one)
    one.add_argument("--host", help="host whose settings count; default: the first that has APP")
    one.add_argument(
        "--no-inventory", action="store_true", help="the manifest and the defaults alone"
    )
    one.add_argument("--replicas", type=_count, metavar="N", help="default: instances")
    one.add_argument(
        "--size",
        choices=("small", "medium", "large"),
        default="small",
        help="instead of `size: auto`; default: %(default)s",
    )
    one.add_argument(
        "--cpus",
        type=_count,
        default=2,
        help="for automatic numbers of workers without limits.cpu_quota; default: %(default)s",
    )
    one.add_argument(
        "--uid", type=_count, default=UID, help="user of all processes; default: %(default)s"
    )
    one.add_argument("--gid", type=_count, help="group of all processes; default: as --uid")


def _kubernetes(one: argparse.ArgumentParser) -> None:
    _common(one, kubernetes.PROXY_IMAGE)
    one.add_argument("--namespace", default="default", help="default: %(default)s")
    one.add_argument(
        "--max-replicas", type=_count, metavar="N", help="add a HorizontalPodAutoscaler"
    )
    front = one.add_mutually_exclusive_group()
    front.add_argument("--ingress-class", metavar="CLASS", help="of the Ingress")
    front.add_argument(
        "--gateway", metavar="[NAMESPACE/]NAME", help="write an HTTPRoute instead of an Ingress"
    )
    front.add_argument(
        "--no-entrance", action="store_true", help="write neither Ingress nor HTTPRoute"
    )
    one.add_argument("--issuer", metavar="NAME", help="ClusterIssuer of cert-manager")
    one.add_argument("--secret", metavar="NAME", help="existing Secret with the variables")
    one.add_argument("--storage", default="10Gi", help="size of the volume; default: %(default)s")
    one.add_argument("--storage-class", metavar="CLASS", help="of the volume")
    one.add_argument(
        "--access",
        choices=("ReadWriteMany", "ReadWriteOnce"),
        default="ReadWriteMany",
        help="to the volume; default: %(default)s",
    )
    one.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="NETWORK",
        help="network of what is in front, which says who the client is",
    )
    one.add_argument(
        "--from-namespace", metavar="NAME", help="only from there may the application be reached"
    )
    one.add_argument(
        "--egress",
        action="append",
        default=[],
        metavar="NETWORK",
        help="network that the application may connect to, besides the manifest's",
    )


def _swarm(one: argparse.ArgumentParser) -> None:
    _common(one, swarm.PROXY_IMAGE)
    one.add_argument("--http-port", type=_count, default=80, help="default: %(default)s")
    one.add_argument("--https-port", type=_count, default=443, help="default: %(default)s")
    one.add_argument("--volume-driver", metavar="DRIVER", help="of volumes that all nodes share")
    one.add_argument(
        "--constraint",
        action="append",
        default=[],
        metavar="RULE",
        help="nodes that may run the application (node.role == worker)",
    )
    one.add_argument(
        "--proxy-constraint",
        action="append",
        default=[],
        metavar="RULE",
        help="nodes that run the proxy; default: all",
    )


def _count(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value}: expected a number from 1")
    return number


def main(given: Sequence[str]) -> int:
    """Writes the files and returns the exit status."""
    options = parser().parse_args(given)
    try:
        return export(options)
    except (InventoryError, NotExportedError, SettingsError) as error:
        return _failed(error)
    except (kubernetes.NotInKubernetesError, swarm.NotInSwarmError) as error:
        return _failed(f"{options.app}: {error}")
    except (written.OthersFilesError, OSError) as error:
        return _failed(error)


def _failed(error: object) -> int:
    print(f"groundcrew: {error}", file=sys.stderr)
    return FAILED


def export(options: argparse.Namespace) -> int:
    """Writes the files, and tells what they do not carry."""
    item = described(options)
    files, dropped = (_of_kubernetes if options.kind == "kubernetes" else _of_swarm)(item, options)
    directory = Path(options.output or ROOT / "export" / f"{options.app}-{options.kind}")
    done = written.write(directory, files, force=options.force)
    for what in ("new", "changed", "removed"):
        for path in getattr(done, what):
            print(f"{what:<7}  {directory / path}")
    if not (done.new or done.changed or done.removed):
        print(f"{directory}: nothing has changed")
    told(dropped)
    print(f"\nNext: read {directory / 'NOTES.md'}")
    return 0


def described(options: argparse.Namespace) -> Workload:
    """The workload of the application. Raises InventoryError, NotExportedError, SettingsError."""
    asked: dict[str, Any] = {
        "beside_proxy": options.kind == "kubernetes",
        "size": options.size,
        "processors": options.cpus,
        "uid": options.uid,
        "gid": options.gid,
    }
    if options.no_inventory:
        # No certificate is obtained here: nobody has to agree to anything.
        layers = [Layer("command line", {"apps": [options.app], "tls": {"acme": AGREED}})]
        loaded, problems = load_host(layers, HostSettings, ROOT, frozenset())
        if loaded is None:
            raise SettingsError(problems)
        return workload(options.app, loaded.settings, ROOT, **asked)
    os.environ[ASKED] = json.dumps({"app": options.app, "options": asked})
    path = inventory.chosen(options.inventory)
    hosts = inventory.listed(path, SCRIPT, options.data)
    name = options.host or next(iter(hosts), None)
    if name is None or name not in hosts:
        known = f"; it is on {', '.join(sorted(hosts))}" if hosts else ""
        where = f"{options.host} of {path}" if options.host else f"no host of {path}"
        verb = "does not have" if options.host else "has"
        raise InventoryError(
            f"{where} {verb} {options.app}{known} (--host, --inventory, or --no-inventory)"
        )
    if "error" in hosts[name]:
        raise NotExportedError(hosts[name]["error"])
    return TypeAdapter(Workload).validate_python(hosts[name]["workload"])


def _of_kubernetes(
    item: Workload, given: argparse.Namespace
) -> tuple[dict[str, str], tuple[Dropped, ...]]:
    known = {field.name for field in fields(kubernetes.Options)}
    values = {key: value for key, value in vars(given).items() if key in known}
    values |= {
        "entrance": "gateway" if given.gateway else "none" if given.no_entrance else "ingress",
        "gateway": given.gateway or "gateway",
        "trusted": tuple(given.trusted_proxy),
        "egress": tuple(given.egress),
    }
    options = kubernetes.Options(**values)
    made = kubernetes.export(item, options)
    return texts.kubernetes(item, made, options), made.dropped


def _of_swarm(
    item: Workload, given: argparse.Namespace
) -> tuple[dict[str, str], tuple[Dropped, ...]]:
    made = swarm.stack(
        item,
        given.image,
        proxy_image=given.proxy_image,
        http_port=given.http_port,
        https_port=given.https_port,
        replicas=given.replicas,
        volume={"driver": given.volume_driver} if given.volume_driver else None,
        constraints=tuple(given.constraint),
        proxy_constraints=tuple(given.proxy_constraint),
    )
    return texts.swarm(item, made, given.image), made.dropped


def told(dropped: Sequence[Dropped]) -> None:
    """Prints what the files do not carry."""
    if not dropped:
        return
    width = terminal.width()
    print("\nNot carried over:")
    for item in dropped:
        print(*_wrapped(f"{item.key}: {item.reason}", width), sep="\n")


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(
        line, max(40, width), subsequent_indent="    ", break_on_hyphens=False,
        break_long_words=False, initial_indent="  ", drop_whitespace=True,
    )  # fmt: skip
