"""Reads the certificates of sites on the operator's machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from groundcrew.certificates import lab_ca, pem
from groundcrew.certificates.material import CertificateError, Material, judge, read_chain
from groundcrew.manifest.tls import AcmeCertificate, OwnCertificate, SelfSignedCertificate
from groundcrew.settings import secrets
from groundcrew.settings.errors import Problem
from groundcrew.sites import Secured

Report = Callable[[tuple[str, ...], str], Problem]


def read_certificates(
    sites: Mapping[str, tuple[tuple[str, ...], Secured]],
    machine: secrets.Machine,
    problem: Report,
    keys: bool = True,
) -> tuple[dict[str, Material], list[Problem]]:
    """The certificates, each checked, and all problems; none for sites whose host obtains its own
    (`acme`). `sites` are applications and sites of roles: name -> key of the
    block with `certificate`, and they.

    Without `keys`, private keys from the operator's machine are not read.
    """
    project = machine.project
    materials: dict[str, Material] = {}
    problems = []
    for name, (key, app) in sites.items():
        place = (*key, "certificate")
        match app.tls.certificate if app.tls else None:
            case OwnCertificate() as own:
                try:
                    materials[name] = _own(own, app.names, machine, keys)
                except CertificateError as error:
                    problems.append(problem((*place, "chain"), str(error)))
                except secrets.SecretMissingError as error:
                    problems.append(problem(error.at((*place, "key")), str(error)))
            case SelfSignedCertificate():
                materials[name] = lab_ca.issue(project, app.names)
            case AcmeCertificate(dns=hooks) if hooks:
                for hook, path in hooks.model_dump().items():
                    if path and not (project / Path(path).expanduser()).is_file():
                        problems.append(problem((*place, "dns", hook), f"no file {project / path}"))
    return materials, problems


def _own(
    own: OwnCertificate, domains: tuple[str, ...], machine: secrets.Machine, keys: bool
) -> Material:
    why = "a generated key has no certificate"
    given = secrets.of_operator(own.key, machine, keys, why)
    key = SecretStr(pem.clean(given.get_secret_value(), pem.PRIVATE_KEY) if given else "")
    chain = read_pem(machine.project, own.chain)
    if keys:
        judge(chain, key.get_secret_value(), domains)
    root = None
    if own.ca_file:
        root = read_pem(machine.project, own.ca_file)
        read_chain(root)
    return Material(chain, key, root)


def read_pem(project: Path, path: str) -> str:
    """A file's certificates in PEM. Raises CertificateError if it cannot be read or has none."""
    file = project / Path(path).expanduser()
    try:
        # Text between the certificates is ignored, whatever its encoding.
        data = file.read_bytes()
    except OSError as error:
        raise CertificateError(f"{file} cannot be read: {error.strerror}") from None
    blocks = pem.clean(data.decode("latin-1"), pem.CERTIFICATE)
    if not blocks:
        raise CertificateError(f"{file} has no certificate in PEM{_instead(data)}")
    return blocks


def _instead(data: bytes) -> str:
    """A hint about the format of a file without certificates, and the next step."""
    if data.startswith(b"\x30"):
        return ", it may be DER: `openssl x509 -inform der -in FILE -out FILE.pem`, or PKCS #12"
    if b"-----BEGIN PKCS7-----" in data:
        return ", it is PKCS #7: `openssl pkcs7 -print_certs -in FILE -out FILE.pem`"
    if b"PRIVATE KEY-----" in data:
        return ", it is a private key"
    return ""
