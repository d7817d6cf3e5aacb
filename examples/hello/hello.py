"""A page without a database, and a health path."""

from __future__ import annotations

import os
import platform

from flask import Flask, jsonify, render_template
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.get("/")
def page() -> str:
    """The page, with what the settings gave the process."""
    facts = {
        "Greeting": os.environ.get("GREETING", "(not set)"),
        "Host": platform.node(),
        "Python": platform.python_version(),
        "Process": str(os.getpid()),
        "User": str(os.getuid()),
    }
    return render_template("page.html", facts=facts)


@app.get("/health")
def health() -> ResponseReturnValue:
    """Healthy as soon as it can answer."""
    return jsonify(status="ok")
