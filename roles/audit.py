"""The command line of `bin/audit`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from groundcrew import json_file
from groundcrew.audit import debian_packages, npm_packages, python_packages
from groundcrew.audit.packages import (
    NPM,
    PYPI,
    Package,
    Subject,
    add_lockfile,
    add_requirements,
    of_index,
    read_sbom,
)
from groundcrew.audit.report import Result, document, status, table
from groundcrew.manifest.model import AppSettings
from groundcrew.operations import updates
from groundcrew.project import PACKAGE, ROOT, program
from groundcrew.releases import bundle, collect
from groundcrew.releases.bundle import SourceError
from groundcrew.releases.requirements import Export
from groundcrew.remote.requirements import UV_EXPORT, combine
from groundcrew.report import audits, paths
from groundcrew.report.earlier import AUDIT as LAST
from groundcrew.roles import releases
from groundcrew.settings import manifests

CACHE = ".groundcrew"
USAGE = 2


class AuditError(Exception):
    """Something that was asked for does not exist; the message says what."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `bin/audit`'s arguments."""
    top = argparse.ArgumentParser(
        prog=program("audit"),
        description="Look for known vulnerabilities in the packages of applications, of hosts "
        "and of groundcrew itself.",
        epilog="Exit status: 0 clean, 1 vulnerable, 3 not or not wholly checked, 2 wrong usage.",
    )
    top.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help="a manifest (apps/shop.yml), a bill of materials (shop.cdx.json), a lock "
        "(requirements/dev.lock), or an inventory (inventory/prod.py): the live releases of its "
        "hosts, and Debian's packages there",
    )
    top.add_argument("--own", action="store_true", help="groundcrew's own locks too, or alone")
    top.add_argument("--app", help="of an inventory, this application only")
    top.add_argument("--limit", action="append", default=[], help="of an inventory, this host only")
    top.add_argument("--json", metavar="PATH", help="also write the result as JSON")
    top.add_argument(
        "--report",
        metavar="PATH.html",
        help="also write a page, with JSON, JUnit XML and SARIF of the same name beside it",
    )
    top.add_argument(
        "--service", choices=("pypi", "osv"), default="pypi", help="whom pip-audit asks"
    )
    top.add_argument("--osv-url", metavar="URL", help="another address of that of osv")
    top.add_argument("--npm-registry", metavar="URL", help="another registry than npm's own")
    return top


def main(arguments: Sequence[str] | None = None, project: Path = ROOT) -> int:
    """Run `bin/audit` and return its exit status."""
    top = parser()
    options = top.parse_args(arguments)
    if not options.what and not options.own:
        top.error("say WHAT, or --own")
    if options.report:
        wrong = paths.problems(options.report, "--report", "", audits.ENDS)
        if wrong:
            top.error(f"--report {wrong[0].message}")
    try:
        subjects = [item for what in options.what for item in _subjects(what, options, project)]
        subjects += [from_lock(path, project) for path in own_locks(project) if options.own]
        results = audit(subjects, options)
        with suppress(OSError):
            # Reports of runs and checklists show the last one. A project may be read-only.
            json_file.replace(str(project / LAST), document(results))
        if options.json:
            json_file.replace(options.json, document(results))
        if options.report:
            audits.write(options.report, results)
    except (AuditError, OSError) as error:
        print(f"groundcrew: {error}", file=sys.stderr)
        return USAGE
    print("\n".join(table(results)))
    return status(results)


def audit(subjects: Sequence[Subject], options: argparse.Namespace) -> list[Result]:
    """Looks up the packages of all subjects, each package once."""
    service = ["--vulnerability-service", options.service]
    service += ["--osv-url", options.osv_url] if options.osv_url else []
    registry = [f"--registry={options.npm_registry}"] if options.npm_registry else []
    answers = [
        python_packages.ask(of_index(PYPI, subjects), service),
        npm_packages.ask(of_index(NPM, subjects), registry),
    ]
    return [
        Result(
            subject,
            [
                item
                for answer in answers
                for item in answer.findings
                if item.package in subject.packages
            ],
            [
                *subject.unknown,
                *_reasons(
                    {
                        package: reason
                        for answer in answers
                        for package, reason in answer.unknown.items()
                        if package in subject.packages
                    }
                ),
            ],
        )
        for subject in subjects
    ]


def _reasons(unknown: dict[Package, str]) -> list[str]:
    """The reasons why packages could not be checked, each once, with the packages it applies to."""
    reasons: dict[str, list[str]] = {}
    for package, reason in unknown.items():
        reasons.setdefault(reason, []).append(f"{package.name} {package.version}")
    return [
        f"{names[0] if len(names) == 1 else f'{len(names)} packages'}: {reason}"
        for reason, names in reasons.items()
    ]


def _subjects(what: str, options: argparse.Namespace, project: Path) -> list[Subject]:
    path = Path(what)
    try:
        match path.suffix:
            case ".yml" if path.parent.name != "inventory":
                return [from_manifest(path, project)]
            case ".json" if path.parent.name != "inventory":
                return [read_sbom(path)]
            case ".lock":
                return [from_lock(path)]
            case ".py" | ".yml" | ".yaml" | ".json":
                return from_hosts(path, options, project)
    except (OSError, ValueError, SourceError) as error:
        raise AuditError(f"{what}: {error}") from None
    raise AuditError(f"{what}: neither a manifest (.yml), JSON, a lock, nor an inventory (.py)")


def own_locks(project: Path) -> list[Path]:
    """The lock files of what runs on the operator's machine, on hosts, and in releases."""
    is_checkout = (project / "roles").is_dir()
    folder = project if is_checkout else PACKAGE
    own = "groundcrew/audit" if is_checkout else "audit"
    patterns = (
        *("requirements/*.lock", f"{own}/requirements/*.lock"),
        *("roles/*/requirements/*.lock", "roles/python/uv.lock"),
    )
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def from_lock(path: Path, project: Path | None = None) -> Subject:
    """The packages that a requirements file pins. Raises OSError, or ValueError if it pins none."""
    subject = Subject(str(path.relative_to(project) if project else path))
    add_requirements(subject, path.read_text("utf-8"))
    if not subject.packages:
        raise ValueError("pins no package: no file of requirements")
    return subject


def from_hosts(inventory: Path, options: argparse.Namespace, project: Path) -> list[Subject]:
    """The live releases of an inventory's hosts and, unless one application is named, the hosts'
    Debian packages."""
    with TemporaryDirectory(prefix="groundcrew-") as folder:
        command = [sys.executable, "-m", "pyinfra", str(inventory.resolve()), "playbooks/audit.py"]
        command += ["-y", "--data", f"sbom={folder}"]
        command += ["--data", f"app={options.app}"] if options.app else []
        command += [f"--limit={name}" for name in options.limit]
        done = subprocess.run(command, cwd=project, stdout=sys.stderr, check=False)
        subjects = [_from_host(path) for path in sorted(Path(folder).iterdir())]
    if done.returncode != 0:
        lacking = Subject(str(inventory))
        lacking.unknown.append("not every host told what it has (see above)")
        subjects.append(lacking)
    return subjects


def _from_host(path: Path) -> Subject:
    host = path.name.removesuffix(updates.END)
    return debian_packages.read(path, host) if host != path.name else read_sbom(path)


def from_manifest(path: Path, project: Path) -> Subject:
    """The packages of an application's next release, as far as its source pins them.

    Raises SourceError if the source cannot be read, ValueError if the manifest is invalid.
    """
    data, problems = manifests.read(project, path.stem)
    if data is None:
        raise ValueError("; ".join(problem.message for problem in problems))
    try:
        app = AppSettings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    subject = Subject(path.stem)
    packed = bundle.pack(app.source, project, project / CACHE, app.frontend, app.emptied)
    server = releases.server_process(app.server, app.mode, app.root, app.entry)
    requirements = collect.requirements(app, packed, server, project)
    with TemporaryDirectory(prefix="groundcrew-") as name:
        folder = Path(name)
        if packed.archive:
            with tarfile.open(packed.archive) as archive:
                archive.extractall(folder, filter="data")
        text = _exported(requirements.export, folder) if requirements.export else requirements.text
        add_requirements(subject, text)
        if app.frontend:
            add_lockfile(subject, folder / app.frontend.directory)
    return subject


def _exported(export: Export, folder: Path) -> str:
    """The requirements that `uv.lock` pins, plus those of the server that it lacks."""
    uv = str(Path(sys.executable).with_name("uv"))
    done = subprocess.run(
        [uv, *UV_EXPORT, *(f"--extra={extra}" for extra in export.extras)],
        cwd=folder / export.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SourceError(f"uv.lock: {done.stderr.strip()}")
    return combine(done.stdout, export.server, wanted=export.wanted)[0]


if __name__ == "__main__":
    sys.exit(main())
