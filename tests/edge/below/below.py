"""A Flask application that says where it is."""

from __future__ import annotations

import time

from flask import Flask, Response, jsonify, redirect, request, url_for

app = Flask(__name__)


@app.get("/")
def home() -> Response:
    return jsonify(
        script=request.environ["SCRIPT_NAME"],
        path=request.path,
        scheme=request.scheme,
        address=request.headers.get("X-Forwarded-For"),
        raw=request.environ.get("RAW_URI") or request.environ["REQUEST_URI"],
        url=url_for("page", name="a b"),
        static=url_for("static", filename="style.css"),
    )


@app.get("/page/<path:name>")
def page(name: str) -> str:
    return name


@app.get("/go")
def go() -> Response:
    return redirect(url_for("home"))  # type: ignore[return-value]


@app.route("/decide", methods=["GET"])
def decide() -> tuple[str, int]:
    return "", 204 if request.headers.get("X-Key") == "let me in" else 403


@app.route("/guarded", methods=["GET", "POST"])
def guarded() -> str:
    return f"{request.method} {len(request.get_data())}"


@app.get("/kept")
def kept() -> Response:
    app.config["N"] = app.config.get("N", 0) + 1
    return Response(str(app.config["N"]))


@app.get("/slow")
def slow() -> str:
    time.sleep(1)
    return ""


@app.get("/health")
def health() -> str:
    return "ok"
