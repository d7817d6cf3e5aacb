"""A page without a database, a health path, and others that show how requests are treated."""

from __future__ import annotations

import os
import platform
import time

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue

LONGEST = 60
"""Seconds that a request may ask to wait."""

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


@app.get("/slow")
def slow() -> ResponseReturnValue:
    """Answers after `seconds`: is a running request finished when its release is replaced?"""
    seconds = min(max(request.args.get("seconds", 1.0, type=float), 0.0), LONGEST)
    time.sleep(seconds)
    return jsonify(seconds=seconds, process=os.getpid())


@app.get("/fail")
def fail() -> ResponseReturnValue:
    """Fails: is it noticed?"""
    return jsonify(error="asked to fail"), 500


@app.post("/echo")
def echo() -> ResponseReturnValue:
    """Gives the body back, and what the application was told about the request."""
    facts = {
        "address": request.headers.get("X-Forwarded-For"),
        "body": request.get_data(as_text=True),
        "scheme": request.scheme,
        "url": request.url,
    }
    return jsonify(facts)
