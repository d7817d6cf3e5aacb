"""The playbooks as commands: `groundcrew release shop` is a short form of pyinfra's own line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word of the command line that becomes `--data KEY=WORD`."""

    name: str
    key: str
    required: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A playbook, and how its command is written."""

    file: str
    about: str
    words: tuple[Word, ...] = ()
    asks: bool = True
    """Whether pyinfra asks before it begins, unless `-y` is given. What only looks does not ask."""

    json_key: str | None = None
    """Setting that `--json PATH` sets."""

    roles: bool = False
    """Whether `--only` and `--skip` name roles."""

    options: tuple[Word, ...] = ()
    """Further options: `--NAME VALUE`, or `--NAME` alone, which sets the key to true, if its only
    choice is true."""


APP = Word("APP", "app")
ANY_APP = Word("APP", "app", required=False)
SWITCH = Word("on|off", "maintenance", choices=("on", "off"))

TASKS: dict[str, Task] = {
    "deploy": Task(
        "deploy.py", "bring all hosts to their settings, and release what changed", roles=True
    ),
    "release": Task("playbooks/release.py", "release an application, nothing else", (ANY_APP,)),
    "rollback": Task(
        "playbooks/rollback.py",
        "lead an application back to an earlier release",
        (APP, Word("RELEASE", "release", required=False)),
    ),
    "restart": Task("playbooks/restart.py", "restart without refusing requests", (ANY_APP,)),
    "image": Task("playbooks/image.py", "make images of live releases", (ANY_APP,)),
    "swarm": Task("playbooks/swarm.py", "run applications on Docker Swarm", (ANY_APP,)),
    "maintenance": Task(
        "playbooks/maintenance.py", "switch an application's maintenance page", (APP, SWITCH)
    ),
    "stop": Task("playbooks/stop.py", "stop an application until it is started again", (APP,)),
    "start": Task("playbooks/start.py", "start an application that was stopped", (APP,)),
    "rename": Task(
        "playbooks/rename.py",
        "give an application another name, with its data",
        (Word("OLD", "was"), Word("NEW", "app")),
    ),
    "remove": Task("playbooks/remove.py", "remove an application; its data stays", (APP,)),
    "status": Task(
        "playbooks/status.py",
        "the state of hosts and applications",
        (ANY_APP,),
        asks=False,
        json_key="status.json",
    ),
    "verify": Task(
        "playbooks/verify.py",
        "check everything",
        asks=False,
        json_key="verify.json",
        roles=True,
    ),
    "logs": Task("playbooks/logs.py", "the logs of an application", (APP,), asks=False),
    "checklist": Task(
        "playbooks/checklist.py",
        "go through the checklists of hosts",
        asks=False,
        json_key="checklist.json",
    ),
    "releases": Task(
        "playbooks/releases.py",
        "list releases",
        (APP,),
        asks=False,
        json_key="releases.json",
    ),
    "preflight": Task(
        "playbooks/preflight.py",
        "check hosts before a deploy",
        asks=False,
        json_key="preflight.json",
    ),
    "settings": Task(
        "playbooks/settings.py",
        "settings, and where they come from; connects to nothing",
        (Word("KEY", "settings.key", required=False),),
        asks=False,
        json_key="settings.json",
        options=(
            Word("changed", "settings.changed", choices=("true",)),
            Word("explain", "settings.explain"),
        ),
    ),
    "backup": Task("playbooks/backup.py", "make backups now"),
    "backups": Task("playbooks/backups.py", "list backups", asks=False, json_key="backups.json"),
    "reboot": Task("playbooks/reboot.py", "restart hosts, one after the other"),
    "upgrade": Task("playbooks/upgrade.py", "upgrade Debian's packages, one host after the other"),
    "drill": Task("playbooks/drill.py", "restore the newest backups aside, and try them"),
}


def data(task: Task, words: dict[str, str], more: list[str], json: str | None) -> list[str]:
    """The values of `--data`, in the order in which people read them."""
    given = [f"{key}={value}" for key, value in words.items()]
    if json is not None and task.json_key:
        given.append(f"{task.json_key}={json}")
    return [*given, *more]


def arguments(task: Task, *, yes: bool, dry: bool, values: list[str], more: list[str]) -> list[str]:
    """pyinfra's arguments after the inventory."""
    confirmed = ["-y"] if yes or not (task.asks or dry) else []
    chosen = [word for value in values for word in ("--data", value)]
    return [task.file, *(["--dry"] if dry else []), *confirmed, *chosen, *more]
