"""Generates the manifest's text, with reasons as comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

import yaml
from pydantic import ValidationError

from groundcrew.manifest.model import AppSettings
from groundcrew.newapp.guess import Guess
from groundcrew.project import ROOT, program

IN_CHECKOUT = "docs/app.schema.json"
SCHEMA = IN_CHECKOUT if (ROOT / IN_CHECKOUT).is_file() else "app.schema.json"
"""Path of the JSON Schema of manifests in the project."""
WIDTH = 100
PLACE = "{name}"
"""Placeholder for the application's name in a value."""


def text(name: str, directory: str, guess: Guess) -> str:
    """The manifest for `apps/NAME.yml`. `directory` is the path of the source. Keys that the
    settings reject are commented out, with the reason."""
    blocks = [[_line(line) for line in block] for block in _blocks(name, directory, guess)]
    for _ in range(len(blocks)):
        whole = "\n".join(line for block in blocks for line in block) + "\n"
        keys, reason = _refused(whole)
        refused = next((place for key in keys if (place := _of(key, blocks))), None)
        if refused is None:
            break
        key, block = refused
        block[:] = [_line(f"# Fill in {key}: {reason}"), *(f"# {line}" for line in block)]
    return whole


def _of(key: str, blocks: list[list[str]]) -> tuple[str, list[str]] | None:
    """The block that sets a key; None if there is none."""
    for block in blocks:
        if any(line.startswith(f"{key}:") for line in block):
            return key, block
    return None


def _refused(whole: str) -> tuple[list[str], str]:
    """The keys that the settings reject, the most likely cause first, and the reason."""
    try:
        AppSettings.model_validate(yaml.safe_load(whole))
    except ValidationError as error:
        first = error.errors()[0]
        reason = str(first["msg"]).removeprefix("Value error, ")
        words = [*re.findall(r"(\w+)\.\w+", reason), *re.findall(r"\w+", reason)]
        named = [word for word in words if word in AppSettings.model_fields]
        return [*(str(item) for item in first["loc"][:1]), *named], reason
    return [], ""


def _blocks(name: str, directory: str, guess: Guess) -> Iterator[list[str]]:
    yield [
        f"# yaml-language-server: $schema=../{SCHEMA}",
        f"# Written by {program('new-app')} from {directory}; docs/settings.md lists every key.",
        *_notes(guess),
    ]
    yield [f"description: {_plain(f'{name}, {guess.entry.framework}')}"]
    exclude = [
        "  # Kept in shared directories, which are empty in the source.",
        f"  exclude: {_flow(guess.exclude)}",
    ]
    yield ["source:", f"  directory: {_plain(directory)}", *(exclude if guess.exclude else [])]
    yield from _requirements(guess)
    yield [f"entry: {_plain(guess.entry.name)}"]
    yield [
        "# The names that visitors use; this one only answers to those who set it by hand.",
        f"domains: [{name}.test]",
    ]
    yield from _environment(name, guess)
    yield list(_server(guess))
    yield from _steps(guess)
    yield from _served(guess)
    yield list(_workers(guess))
    yield list(_health(guess))
    yield list(_network(guess))


def _notes(guess: Guess) -> Iterator[str]:
    """Remarks for the person who deploys the application, as comments."""
    if guess.checks:
        yield "#"
        yield "# Look at, then take out:"
    for check in dict.fromkeys(guess.checks):
        yield from textwrap.wrap(
            check, WIDTH, initial_indent="# - ", subsequent_indent="#   ", break_on_hyphens=False
        )


def _plain(value: str) -> str:
    """A YAML string, quoted if YAML would read it as something else. JSON strings are valid
    YAML."""
    try:
        same = yaml.safe_load(f"- {value}") == [value]
    except yaml.YAMLError:
        same = False
    return value if same else json.dumps(value)


def _flow(values: Iterable[str]) -> str:
    """A YAML list in brackets."""
    return f"[{', '.join(_in_flow(value) for value in values)}]"


def _in_flow(value: str) -> str:
    try:
        same = yaml.safe_load(f"[{value}]") == [value]
    except yaml.YAMLError:
        same = False
    return value if same else json.dumps(value)


def _line(text: str) -> str:
    """Replaces characters that YAML could read as line breaks: much of the text comes from the
    source."""
    return "".join(char if char.isprintable() else " " for char in text)


def _mapping(key: str, values: Mapping[str, str]) -> Iterator[str]:
    if values:
        yield f"{key}:"
        yield from (f"  {name}: {value}" for name, value in values.items())


def _requirements(guess: Guess) -> Iterator[list[str]]:
    if guess.requirements:
        yield [f"requirements: {_plain(guess.requirements)}"]
    else:
        yield ["# No requirements that can be installed were found: name a file here.",
               "# requirements: requirements.txt"]  # fmt: skip
    if guess.install:
        yield ["# The code is in src/, where it is only found once it is installed.",
               "install: true"]  # fmt: skip
    if guess.python:
        yield [f'python: "{guess.python}"']


def _environment(name: str, guess: Guess) -> Iterator[list[str]]:
    env = {**guess.env, **dict.fromkeys(guess.hosts_from, f"{name}.test")}
    values = {key: _plain(value.replace(PLACE, name)) for key, value in env.items()}
    values |= {key: f"{values[key]}  # fill in" for key in guess.open}
    yield list(_mapping("env", values))
    secrets = dict.fromkeys(guess.generated, "{generate: {}}")
    comment = ["# Made up on the host once; it outlives releases."] if secrets else []
    secrets |= {key: f"{{env: {key}}}" for key in guess.given}
    yield [*comment, *_mapping("secrets", secrets)]
    needed = [*guess.open, *guess.generated, *guess.given]
    if guess.generated or guess.given:
        yield [f"required: {_flow(needed)}"]


def _server(guess: Guess) -> Iterator[str]:
    yield "server:"
    if guess.entry.interface == "asgi":
        yield "  # ASGI. As many workers as the host has CPUs, unless `workers` says how many."
        yield "  worker_class: uvicorn"
    else:
        yield "  # WSGI: 2 x CPU + 1 workers, one request each; gthread for streams and slow calls."
        yield "  worker_class: sync"


def _steps(guess: Guess) -> Iterator[list[str]]:
    if guess.shared:
        yield [
            "# Outlive releases; everything else of a release is read-only.",
            f"shared: {_flow(guess.shared)}",
        ]
    lines = ["hooks:"] if guess.build_hooks or guess.release_hooks else []
    for key, commands in (("build", guess.build_hooks), ("release", guess.release_hooks)):
        if commands:
            lines += [f"  {key}:", *(f"    - {_plain(command)}" for command in commands)]
    yield lines


def _served(guess: Guess) -> Iterator[list[str]]:
    if guess.static:
        values = {"path": _plain(guess.static[0]), "url": _plain(guess.static[1])}
        yield ["# nginx serves these itself.", *_mapping("static", values)]
    if guess.media:
        yield list(
            _mapping("media", {"path": _plain(guess.media[0]), "url": _plain(guess.media[1])})
        )
    if guess.frontend:
        yield [
            "frontend:",
            f"  directory: {_plain(guess.frontend.directory)}",
            f"  output: {_plain(guess.frontend.output)}",
            "  # What goes to the application; all other paths get the front end.",
            f"  api: {_flow(_api(guess))}",
        ]


def _api(guess: Guess) -> list[str]:
    health = guess.health or ""
    more = [path for path in guess.api if path not in {"/api/", health}]
    if (
        health
        and health != "/"
        and not any(health.startswith(path) for path in ("/api/", *more) if path.endswith("/"))
    ):
        more.append(health)
    return ["/api/", *more]


def _workers(guess: Guess) -> Iterator[str]:
    live = [worker for worker in guess.workers if worker.reason is None]
    if live:
        yield "workers:"
    for worker in live:
        yield f"  {worker.name}:"
        yield f"    command: {_plain(worker.command)}"
        if worker.single:
            yield "    single: true"
    for worker in guess.workers:
        if worker.reason is not None:
            yield f"# A worker, once it is wanted ({worker.reason}):"
            single = ", single: true" if worker.single else ""
            yield f"#   {worker.name}: {{command: {json.dumps(worker.command)}{single}}}"


def _health(guess: Guess) -> Iterator[str]:
    if guess.health:
        yield "health:"
        yield "  # Must answer 200 before a release gets requests."
        yield f"  path: {_plain(guess.health)}"
    else:
        yield "# No health check was found: / must answer 200, or name a path that does."
        yield "# health: {path: /}"


def _network(guess: Guess) -> Iterator[str]:
    if guess.callers:
        shown = ", ".join(guess.callers[:6])
        more = " and more" if len(guess.callers) > 6 else ""
        yield from textwrap.wrap(
            f"It uses {shown}{more}, to speak to other hosts; without this line it may not, and "
            "reaches only what runs on its own.",
            WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
        )
        yield "network: any"
