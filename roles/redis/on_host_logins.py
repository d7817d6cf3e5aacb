"""Logins of an instance: the text of their file, and how the server gets to know them.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from groundcrew.remote.credentials import FOLDER, active_login, logins
from groundcrew.roles.redis.on_host_resp import Client

Data = dict[str, Any]
ADMINISTRATOR = "groundcrew"
# What well-known clients use of the commands that are called dangerous.
ALLOWED = "+@all -@admin -@dangerous +info +sort +sort_ro +client|list"
ALONE = "+keys +flushdb"
"""Besides, for an application that has the instance to itself."""
CONFINED = (
    "-scan -randomkey -dbsize -pubsub -function -script|flush -script|kill -client|list "
    "-client|tracking"
)
"""Commands that show or change what belongs to other applications of the instance."""
REPLICATION = "+psync +replconf +ping"
"""All that a replica may do."""
MONITORING = "+info +ping +client|setname +latency|latest +latency|histogram"
"""All that monitoring may do: it reads figures."""


def administrator(name: str) -> str:
    """Directory of the administrator's login of an instance."""
    return os.path.join(FOLDER, "redis-admin", name)


def users(instance: Data) -> str:
    """The text of an instance's file of logins."""
    lines = ["user default off"]
    login = active_login(administrator(instance["name"]))
    if login:
        lines.append(f"user {login[0]} on #{_hash(login[1])} ~* &* +@all")
    for account in instance["accounts"]:
        if account["alone"]:
            may = f"~* &* {ALLOWED} {ALONE}"
        else:
            may = f"~{account['prefix']}* &{account['prefix']}* {ALLOWED} {CONFINED}"
        lines += _lines(account, may)
    for replica in instance.get("replicas", ()):
        lines += _lines(replica, REPLICATION)
    if instance.get("exporter"):
        lines += _lines(instance["exporter"], MONITORING)
    return "".join(f"{line}\n" for line in lines)


def _lines(account: Data, may: str) -> list[str]:
    return [
        f"user {item.user} {'on' if item.enabled else 'off'} #{_hash(item.password)} {may}"
        for item in logins(account["store"], account["account"])
    ]


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def learn(instance: Data, client: Client) -> None:
    """Tells an instance the logins of its file. Reading the file anew would close the connections
    of all others too; this closes only those of logins that are locked or gone."""
    wanted = {words[1]: words[2:] for words in map(str.split, users(instance).splitlines())}
    for user, rules in wanted.items():
        client.ask("ACL", "SETUSER", user, "reset", *rules)
        if "off" in rules:
            client.ask("CLIENT", "KILL", "USER", user)
    for name in client.ask("ACL", "USERS"):
        if name.decode() not in wanted:
            client.ask("ACL", "DELUSER", name)
