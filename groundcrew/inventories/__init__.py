"""Inventories from YAML files, and from what a command prints.

`pyinfra inventory/prod.yml deploy.py` reads a YAML file directly. In a Python inventory, each
function returns the groups:

    globals().update(hosts_from_yaml("inventory/hosts.yml"))
    globals().update(hosts_from_command(["terraform-inventory", "--list"]))
"""

from groundcrew.inventories.sources import (
    SUFFIXES,
    groups_of_file,
    hosts_from_command,
    hosts_from_yaml,
)

__all__ = ["SUFFIXES", "groups_of_file", "hosts_from_command", "hosts_from_yaml"]
