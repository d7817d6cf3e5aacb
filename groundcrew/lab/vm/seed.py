"""cloud-init's configuration for a machine's first boot (pure), in the NoCloud format."""

from __future__ import annotations

import json

LABEL = "cidata"
USER = "debian"
"""User of a bare machine, as in Debian's cloud images."""

REPORTED = "-- ready"
REPORT = f"cat /etc/ssh/ssh_host_*_key.pub >/dev/ttyS1 && echo '{REPORTED}' >/dev/ttyS1"

# dhcp4 only: QEMU's network has no IPv6, and the boot would wait for it.
NETWORK = {
    "version": 2,
    "ethernets": {
        "uplink": {"match": {"name": "e*"}, "dhcp4": True, "dhcp6": False, "accept-ra": False}
    },
}


def seed(name: str, public_key: str) -> dict[str, str]:
    """Return the files of the seed: name -> content."""
    user_data = {
        "ssh_authorized_keys": [public_key],
        # As in Debian's cloud images: cloud-init rewrites /etc/hosts at each boot.
        "manage_etc_hosts": True,
        "locale": "C.UTF-8",
        # The image already has its apt sources, and its disk has no partitions.
        "apt": {"preserve_sources_list": True},
        "growpart": {"mode": "off"},
        "resize_rootfs": False,
        # The last step of the first boot.
        "runcmd": [["sh", "-c", REPORT]],
    }
    return {
        "meta-data": _yaml({"instance-id": f"groundcrew-{name}", "local-hostname": name}),
        "user-data": f"#cloud-config\n{_yaml(user_data)}",
        "network-config": _yaml(NETWORK),
    }


def reported_keys(report: str) -> list[str] | None:
    """Return the host keys of a report, None while it is incomplete."""
    lines = [line.strip() for line in report.splitlines()]
    if REPORTED not in lines:
        return None
    return [line for line in lines[: lines.index(REPORTED)] if line]


def _yaml(value: object) -> str:
    """Return the value as JSON, which is valid YAML."""
    return json.dumps(value, indent=1) + "\n"
