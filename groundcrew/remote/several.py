"""Does the same work for several applications in parallel, each in its own process.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.several import FailedNames

Work = Callable[[dict[str, Any]], int]


def several(payloads: list[dict[str, Any]], work: Work, at_once: Optional[int] = None) -> int:  # noqa: UP045 - Python 3.9
    """Calls `work` for every payload in its own process, `at_once` at a time. Prints the names of
    those that failed as the last line: {"failed": [name]}. Returns the exit status: 1 if any
    failed."""
    names: dict[int, str] = {}
    failed: list[str] = []

    def wait() -> None:
        process, status = os.wait()
        name = names.pop(process, None)
        if name is not None and status != 0:
            failed.append(name)

    for payload in payloads:
        if at_once is not None and len(names) >= at_once:
            wait()
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            status = 1
            try:
                status = work(payload)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        names[process] = payload["name"]
    while names:
        wait()
    report: FailedNames = {"failed": sorted(failed)}
    print(json.dumps(report), flush=True)
    return int(bool(failed))
