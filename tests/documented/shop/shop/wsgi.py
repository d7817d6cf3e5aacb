"""Answers every path with what the settings gave it."""

import json
import os


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("LOG_LEVEL", "DATABASE_URL", "API_KEY", "COOKIE_KEY")
    facts = {name: os.environ[name] for name in names if name in os.environ}
    return [json.dumps({"path": environ["PATH_INFO"], **facts}).encode()]
