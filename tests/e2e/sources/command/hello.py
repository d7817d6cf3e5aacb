"""What the example answers that the tests ask for, without a framework."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """`/slow?seconds=N` answers after so long, everything else at once."""
    seconds = float(parse_qs(environ["QUERY_STRING"]).get("seconds", ["0"])[0])
    time.sleep(seconds)
    facts = {"seconds": seconds, "process": os.getpid(), "instance": os.environ.get("INSTANCE")}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
