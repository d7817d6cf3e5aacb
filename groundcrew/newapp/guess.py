"""Derives from the source how to run an application."""

from __future__ import annotations

from dataclasses import dataclass, field

from groundcrew.newapp import (
    asked,
    environment,
    evidence,
    frontend,
    layout,
    needs,
    on_django,
    on_others,
    services,
    stored,
    workers,
)
from groundcrew.newapp.django import DjangoSettings
from groundcrew.newapp.entry import Entry
from groundcrew.newapp.frontend import FrontendGuess
from groundcrew.newapp.layout import NothingFoundError, Place
from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.reader import Reader
from groundcrew.newapp.workers import Worker

__all__ = ["Guess", "NothingFoundError", "guess"]


@dataclass
class Guess:
    """The result. `checks` are remarks for the person who deploys the application."""

    entry: Entry
    requirements: str | None
    inside: str = ""
    exclude: list[str] = field(default_factory=list)
    install: bool = False
    python: str | None = None
    health: str | None = None
    api: list[str] = field(default_factory=list)
    build_hooks: list[str] = field(default_factory=list)
    release_hooks: list[str] = field(default_factory=list)
    static: tuple[str, str] | None = None
    media: tuple[str, str] | None = None
    shared: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    """Variables of `env` whose values only a person knows."""
    hosts_from: list[str] = field(default_factory=list)
    generated: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    frontend: FrontendGuess | None = None
    checks: list[str] = field(default_factory=list)

    def share(self, folder: str) -> None:
        """Adds a directory that is kept across releases, unless it lies in one that is kept
        already."""
        kept = [*self.shared, *([self.media[0]] if self.media else [])]
        if not any(f"{folder}/".startswith(f"{other}/") for other in kept):
            inner = [item for item in self.shared if f"{item}/".startswith(f"{folder}/")]
            self.shared = [item for item in self.shared if item not in inner] + [folder]


def guess(tree: Project, chosen: str | None = None) -> Guess:
    """Examines a project. `chosen` is the entry, if the user has named it.

    Raises NothingFoundError if there is no application.
    """
    place = layout.find(tree, chosen)
    project, best = place.project, place.best
    result = Guess(best, needs.requirements(project), place.inside, install=project.packaged)
    _where(place, result)
    _requirements(project, result)
    settings = on_django.settings(place) if best.framework == "Django" else None
    reader = settings.reader if settings else Reader(project)
    modules = _modules(project, best, settings)
    optional = asked.variables(project, reader, settings, modules, result)
    if best.framework == "Django":
        on_django.look(place, settings, result)
    else:
        on_others.look(place, reader, modules, result)
    _files(project, reader, settings, modules, result)
    _kept(project, result)
    _background(project, reader, settings, result)
    _services(project, result)
    result.frontend, notes = frontend.find(project)
    if result.frontend is None and place.inside:
        notes = [*notes, *frontend.find(tree)[1]]
        other = frontend.find(tree)[0]
        if other is not None:
            notes.append(
                f"front end: {other.directory} lies outside of the source: with the whole tree as "
                "the source it can be part of the release, or it is built and served by itself"
            )
    result.checks += notes
    for line in evidence.first_steps(project):
        result.checks.append(
            f"hooks: {line.path} also runs `{line.text}`; add it to the release hooks where an "
            "empty database needs it"
        )
    asked.rest(optional, result)
    return result


def _modules(project: Project, best: Entry, settings: DjangoSettings | None) -> list[str]:
    start = [best.module.name] if best.module else []
    packages: list[str] = []
    if settings is not None:
        start.append(settings.module)
        packages = settings.packages
        root = settings.get("ROOT_URLCONF")
        start += [root] if isinstance(root, str) else []
    return environment.reachable(project, start, packages)


def _where(place: Place, result: Guess) -> None:
    others = [item.name for item in place.entries if item.name != place.best.name][:3]
    if others and place.best.framework != "Django":
        result.checks.append(
            f"entry: {place.best.name} was taken; there are also {', '.join(others)}"
        )
    if place.inside:
        result.checks.append(
            f"source: the application lives in {place.inside}, which alone is the source here; "
            "nothing beside it is released"
        )
    if place.root and not result.install:
        result.env["PYTHONPATH"] = place.root


def _requirements(project: Project, result: Guess) -> None:
    requirements = result.requirements
    wayout = needs.wayout(project)
    if requirements is None:
        reason = wayout or "without one only the server is installed"
        result.checks.append(
            "requirements: there is no uv.lock, requirements.txt or pyproject.toml with "
            f"dependencies; {reason}"
        )
    elif requirements == "uv.lock":
        pass
    elif requirements == "pyproject.toml":
        reason = "uv lock pins what it leaves open"
        if project.has("poetry.lock"):
            reason = "poetry.lock is not read: " + (wayout or reason)
        elif project.parent is not None and project.parent.has("uv.lock"):
            reason = (
                "the uv.lock of the workspace is not read: `uv export --frozen --package NAME "
                "--no-emit-workspace` writes a lock for the manifest's `lock`"
            )
        result.checks.append(
            f"requirements: pyproject.toml leaves versions open, and has no hashes; {reason}"
        )
    elif not needs.pinned(project.text(requirements)):
        result.checks.append(
            f"requirements: {requirements} has no hashes, so that the next release may get "
            "other versions; uv lock, or uv pip compile --generate-hashes, pins them"
        )
    wanted = needs.python(project)
    if wanted:
        result.python = needs.version(wanted)
        taken = f"; {result.python} was taken" if result.python else ""
        result.checks.append(
            f"python: it asks for {wanted}; Debian 12 has 3.11, Debian 13 3.13{taken}"
        )
    for name, packages in needs.extras(project).items():
        drivers = services.among(packages)
        if drivers:
            result.checks.append(f"extras: {name} brings {', '.join(drivers)}")


def _files(
    project: Project,
    reader: Reader,
    settings: DjangoSettings | None,
    modules: list[str],
    result: Guess,
) -> None:
    """Finds directories that the application writes to."""
    frames = environment.frames(reader, modules)
    if settings is not None:
        frames = [settings.frame] if settings.frame else []
    folders, beside = stored.sqlite(project, frames)
    static = result.static[0] if result.static else None
    paths = [*folders, *stored.named(project, frames), *stored.literal(project, modules)]
    for folder in [*paths, *stored.written(project, modules)]:
        if folder != static:
            result.share(folder)
    for file in beside:
        on_others.database(file, result)
    for name in stored.data_variables(reader, project):
        if name not in result.env:
            result.env[name] = "/srv/{name}/shared/data"
            result.share("data")


def _kept(project: Project, result: Guess) -> None:
    """Excludes kept directories from the source: a release has links in their place."""
    media = [result.media[0]] if result.media else []
    for folder in [*result.shared, *media]:
        brought = [path for path in project.files if path.startswith(f"{folder}/")]
        visible = [path for path in brought if not path.rpartition("/")[2].startswith(".")]
        if visible:
            result.checks.append(
                f"shared: {folder} would have to outlive releases, and the source has files in it "
                f"({visible[0]}); what is written needs a directory of its own"
            )
            result.shared = [item for item in result.shared if item != folder]
            result.media = result.media if folder not in media else None
        elif brought:
            result.exclude.append(f"/{folder}/")


def _background(
    project: Project, reader: Reader, settings: DjangoSettings | None, result: Guess
) -> None:
    result.workers = workers.find(project, reader, settings)
    known = " ".join(worker.command for worker in result.workers)
    more = [name for name in workers.commands(project, settings) if name not in known]
    if more:
        result.checks.append(
            f"workers: management commands that may be meant to run all the time: {', '.join(more)}"
        )
    for name in workers.unknown(project, result.workers):
        result.checks.append(
            f"workers: it uses {name}, but the command that runs its jobs was not found"
        )


def _services(project: Project, result: Guess) -> None:
    drivers = services.drivers(project, result.requirements)
    if drivers:
        named = "; ".join(f"{key} ({', '.join(value)})" for key, value in drivers.items())
        result.checks.append(
            f"services: it has drivers for {named}; where it needs one, it must be there before"
        )
    result.callers = services.callers(project)
    if not result.callers:
        result.callers = sorted({name for names in drivers.values() for name in names})
