"""Files and commands for the certificates of a host's sites, computed from settings.

A site is a server block of nginx: of applications, which share a site if they share their domains,
and whose owner has the certificate; or of a role.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundcrew.certificates.material import Material
from groundcrew.entries import Absent, Directory, Entry, File, Link, Purge
from groundcrew.facts.certificates import CertificateState, Lineage
from groundcrew.manifest.paths import CERTIFICATES, CHALLENGES, certificate_directory
from groundcrew.manifest.tls import AcmeCertificate
from groundcrew.roles.tls.settings import AcmeSettings, uses_acme
from groundcrew.settings.certificates import read_pem
from groundcrew.sites import Secured
from groundcrew.templates import render

ACME_PACKAGES = ("certbot", "openssl")
"""Debian packages that certificates of `type: acme` need."""

CA_FILE = f"{CERTIFICATES}/acme-directory.ca"
HOOKS = "/etc/letsencrypt/renewal-hooks"
DROP_IN = "/etc/systemd/system/certbot.service.d"
BOOTSTRAP_DAYS = 30


@dataclass(frozen=True)
class Front:
    """The program that serves the sites: how it takes a new certificate, and who answers the CA."""

    unit: str
    test: str
    """Command that fails if it refuses its files."""

    challenge_port: int | None = None
    """Port on 127.0.0.1 at which certbot answers the CA itself; None: the program serves the
    files."""

    @property
    def authenticator(self) -> str:
        """certbot's plugin for HTTP-01."""
        return "standalone" if self.challenge_port else "webroot"


NGINX = Front("nginx", "nginx -t -q")


def packages(apps: Mapping[str, Secured]) -> tuple[str, ...]:
    """The packages, if an application needs them."""
    return ACME_PACKAGES if any(uses_acme(app) for app in apps.values()) else ()


def entries(
    acme: AcmeSettings,
    sites: Mapping[str, Secured],
    certificates: Mapping[str, Material],
    project: Path,
    front: Front = NGINX,
) -> list[Entry]:
    """The certificate files of all sites with HTTPS. Files that no site needs any more are
    removed."""
    files: list[Entry] = [Directory(CERTIFICATES, mode="0700")] if sites else []
    kept: list[str] = []
    for name, app in sorted(sites.items()):
        match app.tls.certificate if app.tls else None:
            case AcmeCertificate() as certificate:
                # The link is left to `finish`: until a certificate is issued, it keeps its target.
                kept += [name, f"{name}.own", f"{name}.bootstrap"]
                files += _hooks(name, certificate, project)
            case _:
                files += _delivered(name, certificates[name])
    if any(uses_acme(app) for app in sites.values()):
        files += _certbot(acme, project, front)
    return [*files, Purge(CERTIFICATES, "*", keep=tuple(kept))]


def _delivered(name: str, material: Material) -> list[Entry]:
    directory = f"{CERTIFICATES}/{name}.own"
    key = material.key.get_secret_value()
    return [
        Directory(directory, mode="0700"),
        File(f"{directory}/fullchain.pem", material.chain),
        File(f"{directory}/privkey.pem", key, mode="0600", secret=True),
        Link(certificate_directory(name), f"{name}.own"),
    ]


def _hooks(name: str, certificate: AcmeCertificate, project: Path) -> list[Entry]:
    """The operator's hook programs for DNS-01."""
    if certificate.dns is None:
        return []
    return [
        File(hook(name, key), (project / Path(path).expanduser()).read_bytes(), "0700", secret=True)
        for key, path in certificate.dns.model_dump().items()
        if path
    ]


def hook(name: str, kind: str) -> str:
    """Path of a hook program on the host; `kind` is `add` or `remove`."""
    return f"{CERTIFICATES}/{name}.dns-{kind}"


def _certbot(acme: AcmeSettings, project: Path, front: Front) -> list[Entry]:
    files: list[Entry] = [
        Directory(CHALLENGES),
        Directory("/etc/letsencrypt"),
        Directory(HOOKS),
        Directory(f"{HOOKS}/deploy"),
        File(f"{HOOKS}/deploy/groundcrew", render("tls/renewed.sh.j2", front=front), mode="0755"),
    ]
    if acme.ca_file is None:
        return [*files, Absent(f"{DROP_IN}/groundcrew.conf")]
    text = read_pem(project, acme.ca_file)
    return [
        *files,
        File(CA_FILE, text),
        Directory(DROP_IN),
        File(f"{DROP_IN}/groundcrew.conf", render("tls/certbot.conf.j2", ca_file=CA_FILE)),
    ]


def bootstrap_command(sites: Mapping[str, Secured]) -> str:
    """Shell commands that create self-signed placeholders, valid for `BOOTSTRAP_DAYS`, so that
    nginx can start."""
    return "\n".join(
        render(
            "tls/bootstrap.sh.j2",
            root=CERTIFICATES,
            name=name,
            days=BOOTSTRAP_DAYS,
            names=",".join(f"DNS:{domain}" for domain in app.names),
        )
        for name, app in sites.items()
    )


def why(
    acme: AcmeSettings, app: Secured, state: CertificateState, front: Front = NGINX
) -> str | None:
    """Why a certificate must be issued; None if the host has one, which certbot renews."""
    lineage: Lineage | None = state["lineage"]
    if lineage is None:
        return "there is none yet"
    if sorted(lineage["names"]) != sorted(app.names):
        return f"it is for {', '.join(lineage['names']) or 'no name'}"
    if lineage["server"] != acme.server:
        return f"it was issued by {lineage['server']}"
    if lineage["authenticator"] != ("manual" if by_dns(app) else front.authenticator):
        return "its domains are validated in another way"
    return None


def by_dns(app: Secured) -> bool:
    """Whether the domains are validated by DNS records (DNS-01)."""
    certificate = app.tls.certificate if app.tls else None
    return isinstance(certificate, AcmeCertificate) and certificate.dns is not None


def certbot_command(
    name: str, app: Secured, acme: AcmeSettings, *, again: bool, front: Front = NGINX
) -> str:
    """The certbot command that gets a certificate. `again`: the host has a lineage of this name."""
    words = ["certbot", "certonly", "--non-interactive", "--agree-tos"]
    words += ["--cert-name", name, "--server", acme.server]
    words += (
        ["--email", acme.email, "--no-eff-email"]
        if acme.email
        else ["--register-unsafely-without-email"]
    )
    if again:
        words += ["--force-renewal", "--renew-with-new-domains"]
    certificate = app.tls.certificate if app.tls else None
    if isinstance(certificate, AcmeCertificate) and certificate.dns:
        words += ["--manual", "--preferred-challenges", "dns"]
        words += ["--manual-auth-hook", hook(name, "add")]
        words += ["--manual-cleanup-hook", hook(name, "remove")] if certificate.dns.remove else []
    elif front.challenge_port:
        words += ["--standalone", "--http-01-address", "127.0.0.1"]
        words += ["--http-01-port", str(front.challenge_port)]
    else:
        words += ["--webroot", "--webroot-path", CHALLENGES]
    for domain in app.names:
        words += ["--domain", domain]
    return shlex.join(words)


def issue_command(
    name: str, app: Secured, acme: AcmeSettings, *, again: bool, front: Front = NGINX
) -> str:
    """Shell commands that get a certificate and switch the sites to it, if it is accepted."""
    return render(
        "tls/issue.sh.j2",
        root=CERTIFICATES,
        name=name,
        ca_file=CA_FILE if acme.ca_file else None,
        certbot=certbot_command(name, app, acme, again=again, front=front),
        front=front,
        title=shlex.quote(f"{name}: no certificate for {', '.join(app.names)} from {acme.server}"),
    )


def lead_command(name: str, front: Front = NGINX) -> str:
    """Shell commands that switch a site to the certificate that the host has."""
    return render("tls/lead.sh.j2", root=CERTIFICATES, name=name, front=front)


def combined(commands: Sequence[str]) -> str:
    """Shell script that runs all commands, even if some fail, and fails if one did."""
    runs = "\n".join(f"(\n{command}\n) || failed=1" for command in commands)
    return f"failed=0\n{runs}\nexit $failed"
