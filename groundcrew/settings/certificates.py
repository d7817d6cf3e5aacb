"""The certificates of applications that the operator's machine has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from groundcrew.apps.model import AppSettings
from groundcrew.apps.tls import AcmeCertificate, OwnCertificate, SelfSignedCertificate
from groundcrew.certificates import lab_ca
from groundcrew.certificates.material import CertificateError, Material, judge, read_chain
from groundcrew.settings import secrets
from groundcrew.settings.errors import Problem

Report = Callable[[tuple[str, ...], str], Problem]


def read_certificates(
    apps: Mapping[str, AppSettings], project: Path, problem: Report, keys: bool = True
) -> tuple[dict[str, Material], list[Problem]]:
    """The certificates, each judged; none for applications whose host gets its own (`acme`).

    Without `keys`, those that come from the operator's machine are empty.
    """
    found: dict[str, Material] = {}
    problems = []
    for name, app in apps.items():
        place = ("app", name, "tls", "certificate")
        match app.tls.certificate if app.tls else None:
            case OwnCertificate() as own:
                try:
                    found[name] = _own(own, app.domains, project, keys)
                except CertificateError as error:
                    problems.append(problem((*place, "chain"), str(error)))
                except secrets.SecretMissingError as error:
                    problems.append(problem((*place, "key"), str(error)))
            case SelfSignedCertificate():
                found[name] = lab_ca.issue(project, app.domains)
            case AcmeCertificate(dns=hooks) if hooks:
                for key, path in hooks.model_dump().items():
                    if path and not (project / Path(path).expanduser()).is_file():
                        problems.append(problem((*place, "dns", key), f"no file {project / path}"))
    return found, problems


def _own(own: OwnCertificate, domains: tuple[str, ...], project: Path, keys: bool) -> Material:
    if own.key.generate:
        raise secrets.SecretMissingError("a key that a host makes up has no certificate")
    secrets.check(own.key)
    key = secrets.resolve(own.key, project) if keys else SecretStr("")
    chain = read_pem(project, own.chain)
    if keys:
        judge(chain, key.get_secret_value(), domains)
    root = None
    if own.ca_file:
        root = read_pem(project, own.ca_file)
        read_chain(root)
    return Material(chain, key, root)


def read_pem(project: Path, path: str) -> str:
    """A file's text. Raises CertificateError where it cannot be read."""
    file = project / Path(path).expanduser()
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise CertificateError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CertificateError(f"{file} is not PEM") from None
