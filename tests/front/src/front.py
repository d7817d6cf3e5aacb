"""An application that trusts what nginx tells it, and one that is hostile: by FRONT_NAME."""

import gzip
import json
import os
import signal
import time
from pathlib import Path
from urllib.parse import parse_qs

NAME = os.environ["FRONT_NAME"]
HERE = Path(__file__).parent


def app(environ, start_response):
    path = (environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]).rsplit("/", 1)[1]
    query = parse_qs(environ["QUERY_STRING"])
    headers = [("Content-Type", "application/json")]
    if path == "health":
        return answer(start_response, headers, {"name": NAME, "host": environ["HTTP_HOST"]})
    if NAME != "plain" and environ["HTTP_X_FORWARDED_PROTO"] != "https":
        headers.append(("Location", f"https://{environ['HTTP_HOST']}/"))
        return answer(start_response, headers, {}, "301 Moved Permanently")
    if path == "lead":
        headers = [
            ("Content-Type", "application/pdf"),
            ("X-Frame-Options", "DENY"),
            ("X-Accel-Redirect", query["to"][0]),
        ]
    if path == "packed":
        headers.append(("Content-Encoding", "gzip"))
        headers += [("Vary", value) for value in query.get("vary", [])]
        start_response("200 OK", headers)
        return [gzip.compress(b'{"packed": true}' + b" " * 2000)]
    if path == "slow":
        # As code that waits outside Python: gunicorn has to kill its worker.
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
        with (HERE / "sent" / "slow").open("a") as file:
            file.write("once\n")
        time.sleep(30)
    said = ("HTTP_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR", "REMOTE_ADDR")
    return answer(start_response, headers, {"name": NAME} | {key: environ.get(key) for key in said})


def answer(start_response, headers, content, status="200 OK"):
    start_response(status, headers)
    return [json.dumps(content).encode()]
