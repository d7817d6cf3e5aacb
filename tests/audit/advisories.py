"""A database of vulnerabilities on this machine, for pip-audit (OSV's API) and npm (a registry)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Known = dict[tuple[str, str], str]
"""Name and version -> what is known against it."""


@contextmanager
def database(python: Known, npm: Known) -> Iterator[str]:
    """Its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            asked = json.loads(body)
            self.answer(osv(asked, python) if "osv" in self.path else bulk(asked, npm))

        def do_GET(self) -> None:
            name = self.path[1:]
            versions = {version: {"name": name, "version": version} for _, version in npm}
            self.answer({"name": name, "versions": versions})

        def answer(self, data: Any) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(data).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def osv(asked: dict[str, Any], known: Known) -> dict[str, Any]:
    """See https://google.github.io/osv.dev/post-v1-query/."""
    name = asked["package"]["name"]
    advisory = known.get((name, asked["version"]))
    if not advisory:
        return {}
    affected = {
        "package": {"name": name, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
    }
    return {"vulns": [{"id": advisory, "summary": "Broken", "affected": [affected]}]}


def bulk(asked: dict[str, list[str]], known: Known) -> dict[str, Any]:
    """What npm's registry answers to `/-/npm/v1/security/advisories/bulk`."""
    return {
        name: [
            {
                "id": number,
                "url": f"https://github.com/advisories/{advisory}",
                "title": "Broken",
                "severity": "high",
                "vulnerable_versions": version,
                "cwe": [],
                "cvss": {"score": 7, "vectorString": None},
            }
        ]
        for number, ((name, version), advisory) in enumerate(known.items())
        if version in asked.get(name, [])
    }
