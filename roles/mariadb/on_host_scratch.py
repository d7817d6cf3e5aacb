"""A second server of MariaDB that has copies of its data.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from groundcrew.remote.backup_source import Scratch, SourceError, make_folder, start_unit, stop_unit
from groundcrew.remote.commands import last_line, run
from groundcrew.remote.unit_control import journal
from groundcrew.roles.mariadb.on_host import LOCAL, answers, changes, client, server
from groundcrew.roles.mariadb.on_host_binlog import Replay, plan, read_index, scan_file
from groundcrew.roles.mariadb.on_host_binlog import number as number_of
from groundcrew.roles.mariadb.on_host_copies import LOGS, MANIFEST, Full, files, fulls, home
from groundcrew.roles.mariadb.on_host_sandbox import SECONDS, as_server, in_unit

Data = dict[str, Any]
USER = "mysql"
PARTS = ("mariadb", "prepare", "replay")
STARTS_WITHIN = 300.0
CLIENT = ["/usr/bin/mariadb", "--no-defaults", "--binary-mode", "--local-infile=0", "--batch",
          "--max-allowed-packet=1G"]  # fmt: skip
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def folders(scratch: Scratch) -> dict[str, str]:
    """Directories of a scratch server."""
    return {name: os.path.join(scratch.folder, name) for name in ("data", "logs", "run")}


def socket_of(scratch: Scratch) -> str:
    """The socket of a scratch server."""
    return os.path.join(scratch.folder, "run", "mysqld.sock")


def close(scratch: Scratch) -> None:
    """Stops the server and removes its files."""
    for part in PARTS:
        stop_unit(f"{scratch.name}-{part}.service")
    for path in folders(scratch).values():
        if os.path.isdir(path):
            shutil.rmtree(path)


def choose(restored: str, at: float | None) -> Full:
    """The newest full copy that has nothing later than `at`. Raises SourceError."""
    folder = home(restored)
    backups = [item for item in fulls(folder) if at is None or item.manifest["ended"] <= at]
    if not backups:
        early = "of that time or before " if at is not None else ""
        raise SourceError(f"there is no full copy {early}in {folder}")
    full = backups[-1]
    there = dict(files(full.folder))
    for path, size in full.manifest["files"].items():
        if there.get(path) != size:
            raise SourceError(f"{full.folder}/{path} has {there.get(path, 0)} of {size} bytes")
    return full


def chosen_logs(request: Data, restored: str, full: Full, at: float | None) -> tuple[Data, Replay]:
    """The index of the logs, and what of them comes after a full copy. Raises SourceError."""
    base = os.path.basename(request["binary_log"])
    folder = os.path.join(home(restored), LOGS)
    index = read_index(folder)
    there = dict(files(folder)) if os.path.isdir(folder) else {}
    first = number_of(full.manifest["log"], base)
    return index, plan(index, base, first, there, at)


def copy(source: str, target: str, names: Sequence[str], owner: tuple[int, int], mode: int) -> None:
    """Copies files from and to directories that only root can enter. The new one becomes the
    owner's at the end."""
    os.mkdir(target, 0o700)
    made = {""}
    for name in names:
        above = os.path.dirname(name)
        if above not in made:
            os.makedirs(os.path.join(target, above), 0o700)
            made.add(above)
        stream = os.fdopen(os.open(os.path.join(source, name), os.O_RDONLY | os.O_NOFOLLOW), "rb")
        with stream, open(os.path.join(target, name), "xb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
    for above in made:
        os.chown(os.path.join(target, above), *owner, follow_symlinks=False)


def fill(request: Data, restored: str, scratch: Scratch, full: Full, replay: Replay) -> None:
    """Brings the copies to where the server's user can read them, and makes them consistent."""
    del request
    user = pwd.getpwnam(USER)
    where = folders(scratch)
    make_folder(where["run"], 0o755, (user.pw_uid, user.pw_gid))
    copy(full.folder, where["data"], [name for name in full.manifest["files"] if name != MANIFEST],
         (user.pw_uid, user.pw_gid), 0o600)  # fmt: skip
    names = [*replay.whole, *replay.part]
    copy(os.path.join(home(restored), LOGS), where["logs"], names, (0, user.pw_gid), 0o640)
    os.chmod(where["logs"], 0o750)  # noqa: S103 - for the server's group
    for name in names:
        scan_file(os.path.join(where["logs"], name))
    command = ["/usr/bin/mariadb-backup", "--no-defaults", "--prepare",
               f"--target-dir={where['data']}", "--tmpdir=/tmp"]  # fmt: skip
    in_unit(f"{scratch.name}-prepare.service", command, as_server(scratch, [where["data"]]))


def start(request: Data, scratch: Scratch) -> None:
    """Starts the server and waits until it answers. Raises SourceError."""
    where = folders(scratch)
    # The file says how the data was stored, such as the size of pages.
    command = [
        "/usr/sbin/mariadbd", f"--defaults-file={where['data']}/backup-my.cnf",
        f"--datadir={where['data']}", f"--socket={socket_of(scratch)}",
        f"--pid-file={where['run']}/mysqld.pid", "--tmpdir=/tmp", "--bind-address=127.0.0.1",
        f"--port={request['port']}", "--skip-name-resolve", "--skip-log-bin", "--local-infile=OFF",
        "--skip-slave-start", "--event-scheduler=OFF", "--innodb-buffer-pool-size=64M",
        "--key-buffer-size=8M", "--max-connections=50", "--max-allowed-packet=1G",
        # So that it says whether a table has a row, whatever was known before.
        "--innodb-stats-persistent=OFF",
        "--innodb-flush-log-at-trx-commit=2", *request["options"],
    ]  # fmt: skip
    unit = start_unit(scratch, "mariadb", command, USER, [where["data"], where["run"]])
    deadline = time.monotonic() + STARTS_WITHIN
    while not answers(socket_of(scratch)):
        state = run("systemctl", "is-active", unit).stdout.strip()
        if state not in ("active", "activating") or time.monotonic() > deadline:
            raise SourceError(f"the scratch server does not answer\n{journal(unit)}")
        time.sleep(0.2)


def repeat(scratch: Scratch, full: Full, replay: Replay, at: float | None) -> float:
    """Repeats what the logs have after the full copy, in the order of the logs. Returns the time of
    the last change. Raises SourceError."""
    logs = folders(scratch)["logs"]
    commands = []
    for names, limited in ((replay.whole, False), (replay.part, True)):
        if names:
            command = ["/usr/bin/mariadb-binlog", "--no-defaults"]
            if names[0] == full.manifest["log"]:
                command.append(f"--start-position={full.manifest['position']}")
            if limited:
                command.append(f"--stop-datetime={end_of(at)}")
            commands.append([*command, *(os.path.join(logs, name) for name in names)])
    if commands:
        _into_client(scratch, commands)
    return last_change(logs, full, replay, at)


def end_of(at: float | None) -> str:
    """The end of the second `at`, as mariadb-binlog reads it in UTC. Events have no fractions."""
    assert at is not None
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(at) + 1))


def last_change(logs: str, full: Full, replay: Replay, at: float | None) -> float:
    """When the last change was made that a server has: seconds since 1970."""
    times = [moment for name in replay.whole for moment in scan_file(f"{logs}/{name}").times]
    for name in replay.part:
        for moment in scan_file(f"{logs}/{name}").times:
            if at is not None and moment > at:
                break
            times.append(moment)
    return float(max([full.manifest["ended"], *times]))


def _into_client(scratch: Scratch, commands: Sequence[Sequence[str]]) -> None:
    """Gives the output of commands, which run as the server's user, to the scratch server."""
    properties = {**as_server(scratch), "Environment": "TZ=UTC LC_ALL=C.UTF-8"}
    with tempfile.TemporaryFile() as complaints:
        taker = subprocess.Popen(
            [*CLIENT, f"--socket={socket_of(scratch)}"], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=complaints, cwd="/", env=ENVIRONMENT,
        )  # fmt: skip
        assert taker.stdin
        failure = None
        try:
            for command in commands:
                in_unit(f"{scratch.name}-replay.service", command, properties, taker.stdin)
        except SourceError as error:
            failure = error
        taker.stdin.close()
        status = taker.wait(SECONDS)
        complaints.seek(0)
        told = last_line(complaints.read().decode(errors="replace"))
    if status != 0:
        raise SourceError(f"the binary logs cannot be repeated: {told}")
    if failure:
        raise failure


def give_logins(request: Data, scratch: Scratch) -> None:
    """Makes the applications' current logins work, on this host, with the databases that there
    were."""
    socket = socket_of(scratch)
    state = server(socket)
    accounts = [
        {**account, "hosts": dict.fromkeys(LOCAL)}
        for account in request["accounts"]
        if account["database"] in state["databases"]
    ]
    statements = [statement for _, statement in changes({"accounts": accounts}, state)]
    if statements:
        client("".join(f"{statement};\n" for statement in statements), socket)
