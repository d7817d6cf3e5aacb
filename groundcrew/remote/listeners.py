"""Listening TCP sockets, whose they are, and the processes that hold them.

A process gives itself any name, of any bytes. So sockets are listed without names, which could look
like other sockets, and names are read one by one. A library, sent to the host with the programs
that import it. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from groundcrew.remote.commands import last_line, run
from groundcrew.remote.printable import printable

SOCKET = re.compile(r"LISTEN +\d+ +\d+ +(\S+):(\d+) +\S+ +(?:uid:(\d+) +)?ino:(\d+) ")


class Process(NamedTuple):
    """A process that holds a socket, the name that it has given itself, and its user's number."""

    name: str
    user: int


class Listener(NamedTuple):
    """A socket, and the number of the user who has opened it."""

    address: str
    port: int
    user: int
    processes: tuple[Process, ...]


def listeners() -> list[Listener]:
    """All that listen. Without a process: held by the kernel or in another container. Raises
    OSError with the message of `ss`."""
    sockets = _sockets()
    held = _holders(set(sockets))
    if sockets.keys() - held.keys():
        # A process may have ended meanwhile, and its sockets with it.
        now = _sockets()
        sockets = {inode: item for inode, item in sockets.items() if inode in held or inode in now}
    return [item._replace(processes=tuple(held.get(inode, ()))) for inode, item in sockets.items()]


def _sockets() -> dict[str, Listener]:
    """Inode -> socket."""
    told = run("ss", "-Hltne")
    if told.returncode != 0:
        raise OSError(last_line(told.stderr) or "ss failed")
    found = {}
    for line in told.stdout.split("\n"):
        match = SOCKET.match(line)
        if match:
            address, port, user, inode = match.groups()
            found[inode] = Listener(address, int(port), int(user or 0), ())
    return found


def _holders(inodes: set[str]) -> dict[str, list[Process]]:
    """Inode -> the processes that hold the socket."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    holders: dict[str, list[Process]] = {}
    for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        inodes_here = {wanted[link] for link in _links(f"/proc/{pid}/fd") if link in wanted}
        if not inodes_here:
            continue
        try:
            process = Process(_name(pid), os.stat(f"/proc/{pid}").st_uid)
        except OSError:
            continue
        for inode in inodes_here:
            holders.setdefault(inode, []).append(process)
    return holders


def _links(folder: str) -> list[str]:
    """What the descriptors of a process lead to; none if it has ended."""
    links = []
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    for name in names:
        try:
            links.append(os.readlink(f"{folder}/{name}"))
        except OSError:
            continue
    return links


def _name(pid: str) -> str:
    with open(f"/proc/{pid}/comm", "rb") as file:
        return printable(file.read().decode(errors="replace").removesuffix("\n")).replace("\n", " ")
