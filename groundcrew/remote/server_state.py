"""Compares the contents of servers, such as accounts and databases, with what they should be, and
makes the changes.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON: {"converge": bool,
"states": [{"title", "module", "request"}], "logins": [{"store", "certificate": PATH or null}],
"rotate": [{"store", "account"}], "finish": [store], "purge": APPLICATION or null}. Each module has
`differences(request)` and `converge(request)`; with `converge`, rotations begin or end before that.
Modules may have `belongings(request, application)`, which lists an application's data, and
`discard(request, application)`, which removes it; with `purge`, only those are called. Prints one
line of JSON: {"differences": {title: [line]}, "digests": {store: digest}}; a state that cannot be
read has the reason as its only line. Exit 1 with the reason on stderr if a change fails. Standard
library only, Python 3.9 or later.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

from groundcrew.remote.credentials import digest, finish_rotation, rotate_logins
from groundcrew.remote.printable import all_printable, printable

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.logins import ServerReport

Data = dict[str, Any]


def differences(state: Data) -> list[str]:
    """What differs; the reason if that cannot be read."""
    try:
        lines: list[str] = importlib.import_module(state["module"]).differences(state["request"])
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return lines


def belongings(state: Data, app: str) -> list[str]:
    """The data of an application; the reason if that cannot be read."""
    module = importlib.import_module(state["module"])
    if not hasattr(module, "belongings"):
        return []
    try:
        return list(module.belongings(state["request"], app))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def call_all(states: list[Data], function: str, *arguments: Any) -> int:
    """Calls a function of every module that has it. Returns the exit status: a module that fails
    does not stop the others."""
    failed = 0
    for state in states:
        try:
            called = getattr(importlib.import_module(state["module"]), function, None)
            if called:
                called(state["request"], *arguments)
        except Exception as error:
            complain(f"{state['title']}: {error or type(error).__name__}")
            failed = 1
    return failed


def complain(text: str) -> None:
    """Prints an error. Parts of it may be what an application has stored."""
    print(printable(text), file=sys.stderr)


def purge(request: Data) -> int:
    """Lists the data of an application or removes it. Returns the exit status."""
    app = request["purge"]
    by_title = {state["title"]: belongings(state, app) for state in request["states"]}
    report: ServerReport = {"differences": by_title, "digests": {}}
    print(json.dumps(all_printable(report)))
    return call_all(request["states"], "discard", app) if request["converge"] else 0


def main() -> int:
    """Makes the changes or compares, and prints the report."""
    request = json.loads(sys.argv[1])
    if request["purge"]:
        return purge(request)
    states = request["states"]
    if request["converge"]:
        for item in request["rotate"]:
            rotate_logins(item["store"], item["account"])
        for store in request["finish"]:
            finish_rotation(store)
    if request["converge"] and call_all(states, "converge"):
        return 1
    by_title = {state["title"]: differences(state) for state in states}
    digests = {
        item["store"]: digest(item["store"], item["certificate"]) for item in request["logins"]
    }
    report: ServerReport = {"differences": by_title, "digests": digests}
    print(json.dumps(all_printable(report)))
    left = {title: lines for title, lines in by_title.items() if lines}
    if request["converge"] and left:
        for title, lines in left.items():
            complain(f"{title} still differs: {'; '.join(lines)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
