"""The manifest's text: what was guessed, with the reasons as comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import yaml

from groundcrew.newapp.guess import Guess


def text(name: str, directory: str, guess: Guess) -> str:
    """A manifest for `apps/NAME.yml`; `directory` is where its source is."""
    lines = [
        "# yaml-language-server: $schema=../docs/app.schema.json",
        f"# Written by bin/new-app from {directory}; docs/settings.md lists every key.",
        f"description: {_plain(f'{name}, {guess.entry.framework}')}",
        "source:",
        f"  directory: {_plain(directory)}",
        *_requirements(guess),
        f"entry: {guess.entry.name}",
        "# The names that visitors use; this one only answers to those who set it by hand.",
        f"domains: [{name}.test]",
        *_environment(name, guess),
        *_server(guess),
        *_steps(guess),
        *_served(guess),
        *_health(guess),
    ]
    return "\n".join(lines) + "\n"


def _plain(value: str) -> str:
    """A string in YAML, quoted where it would be read as something else; JSON's strings are
    YAML's too."""
    try:
        same = yaml.safe_load(f"- {value}") == [value]
    except yaml.YAMLError:
        same = False
    return value if same else json.dumps(value)


def _mapping(key: str, values: Mapping[str, str]) -> Iterator[str]:
    if values:
        yield f"{key}:"
        yield from (f"  {name}: {value}" for name, value in values.items())


def _requirements(guess: Guess) -> Iterator[str]:
    if guess.requirements:
        yield f"requirements: {guess.requirements}"
    if guess.install:
        yield "# The code is in src/, where it is only found once it is installed."
        yield "install: true"


def _environment(name: str, guess: Guess) -> Iterator[str]:
    env = {**guess.env, **dict.fromkeys(guess.hosts_from, f"{name}.test")}
    yield from _mapping("env", {key: _plain(value) for key, value in env.items()})
    secrets = dict.fromkeys(guess.generated, "{generate: {}}")
    if secrets:
        yield "# Made up on the host once; it outlives releases."
    secrets |= {key: f"{{env: {key}}}" for key in guess.given}
    yield from _mapping("secrets", secrets)
    needed = [*guess.env, *guess.generated, *guess.given]
    if guess.generated or guess.given:
        yield f"required: [{', '.join(needed)}]"


def _server(guess: Guess) -> Iterator[str]:
    yield "server:"
    if guess.entry.interface == "asgi":
        yield "  # ASGI. As many workers as the host has CPUs, unless `workers` says how many."
        yield "  worker_class: uvicorn"
    else:
        yield "  # WSGI: 2 x CPU + 1 workers, one request each; gthread for streams and slow calls."
        yield "  worker_class: sync"


def _steps(guess: Guess) -> Iterator[str]:
    if guess.shared:
        yield "# Outlive releases; everything else of a release is read-only."
        yield f"shared: [{', '.join(guess.shared)}]"
    if guess.build_hooks or guess.release_hooks:
        yield "hooks:"
    for key, commands in (("build", guess.build_hooks), ("release", guess.release_hooks)):
        if commands:
            yield f"  {key}:"
            yield from (f"    - {_plain(command)}" for command in commands)


def _served(guess: Guess) -> Iterator[str]:
    if guess.static:
        yield "# nginx serves these itself."
        yield from _mapping("static", {"path": guess.static[0], "url": guess.static[1]})
    if guess.media:
        yield from _mapping("media", {"path": guess.media[0], "url": guess.media[1]})
    if guess.frontend:
        yield "frontend:"
        yield f"  directory: {_plain(guess.frontend.directory)}"
        yield f"  output: {guess.frontend.output}"
        yield "  # What goes to the application; all other paths get the front end."
        yield f"  api: [{', '.join(_api(guess))}]"


def _api(guess: Guess) -> list[str]:
    health = guess.health or ""
    more = [health] if health and health != "/" and not health.startswith("/api/") else []
    return ["/api/", *more]


def _health(guess: Guess) -> Iterator[str]:
    yield "health:"
    if guess.health:
        yield "  # Must answer 200 before a release gets requests."
        yield f"  path: {guess.health}"
    else:
        yield "  # No health check was found: a path that answers 200 is needed."
        yield "  path: /"
