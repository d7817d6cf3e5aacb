"""Settings of the SSH server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from groundcrew.model import Settings

Algorithm = Annotated[str, StringConstraints(pattern=r"^[a-z0-9@.-]+$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[^\s,\"]+$")]
Algorithms = tuple[Algorithm, ...] | None


def _keyword(value: object) -> object:
    """YAML and command lines read `no` as false; sshd's keyword is meant."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


Keyword = BeforeValidator(_keyword)


class SshSettings(Settings):
    """The SSH server; each setting is named after the sshd_config(5) keyword it sets.

    The port is left alone. Algorithms are null by default, which takes the list of the ssh-audit
    hardening guide for the OpenSSH version that the host has.
    """

    permit_root_login: Annotated[
        Literal["no", "prohibit-password", "forced-commands-only", "yes"], Keyword
    ] = "no"
    """Whether root may log in."""

    password_authentication: bool = False
    """Whether a password is enough to log in."""

    kbd_interactive_authentication: bool = False
    """Whether PAM may ask for passwords and the like."""

    max_auth_tries: int = Field(4, ge=2, le=20)
    """Attempts per connection; every key that an agent offers is one."""

    login_grace_time: int = Field(30, ge=5)
    """Seconds to log in."""

    max_sessions: int = Field(10, ge=1)
    """Sessions per connection."""

    max_startups: Annotated[str, StringConstraints(pattern=r"^\d+:\d+:\d+$")] = "10:30:60"
    """Connections that have not logged in yet, start:rate:full (CIS)."""

    client_alive_interval: int = Field(120, ge=0)
    """Seconds of silence after which the server asks whether the client is still there."""

    client_alive_count_max: int = Field(2, ge=0)
    """Unanswered questions after which the connection is closed."""

    x11_forwarding: bool = False
    """Whether X11 may be forwarded."""

    allow_agent_forwarding: bool = False
    """Whether agents may be forwarded; root on the host can use a forwarded agent."""

    allow_tcp_forwarding: Annotated[Literal["yes", "no", "local", "remote"], Keyword] = "no"
    """Whether ports may be forwarded; a host that others are reached through (ProxyJump) needs
    `local`."""

    permit_tunnel: bool = False
    """Whether tunnel devices may be forwarded."""

    permit_user_rc: bool = False
    """Whether ~/.ssh/rc is run."""

    compression: bool = False
    """Whether connections may be compressed, after login."""

    tcp_keep_alive: bool = False
    """Whether TCP finds out by itself that a client is gone; `client_alive_interval` does so inside
    the encryption, where nobody else can answer."""

    permit_user_environment: bool = False
    """Whether ~/.ssh/environment is read."""

    log_level: Literal["INFO", "VERBOSE", "DEBUG"] = "VERBOSE"
    """VERBOSE logs the fingerprint of the key that logged in."""

    banner: Annotated[str, StringConstraints(pattern=r"^(/[^\s]+|none)$")] | None = None
    """File on the host that is shown before login, or `none`; null shows `base.banner`."""

    allow_users: tuple[Pattern, ...] = ()
    """Only these users (patterns) may log in; empty = all."""

    allow_groups: tuple[Pattern, ...] = ()
    """Only members of these groups (patterns) may log in; empty = all."""

    admins_only: bool = False
    """Whether nobody but the administrators (`users.admins`), `allow_users`, and root where
    `permit_root_login` lets it, may log in: users made by hand are shut out. A run whose user would
    be is refused. strict: true."""

    main_file: bool = False
    """Whether sshd_config itself has the values too, readable for root only, for auditors that read
    no drop-ins (OpenSCAP). strict: true."""

    host_keys: tuple[Literal["ed25519", "rsa", "ecdsa"], ...] = ("ed25519", "rsa")
    """Types of host key to offer, of those that the host has. NIST curves are not among them
    (ssh-audit)."""

    required_rsa_size: int = Field(3072, ge=1024)
    """Bits that an RSA key of a user must have (OpenSSH 9.1 or later)."""

    host_rsa_size: int = Field(4096, ge=1024)
    """Bits that the host's own RSA key must have; a shorter one is not offered. Debian's has
    3072."""

    kex_algorithms: Algorithms = None
    """Key exchange algorithms. The default of OpenSSH 9.9 or later (Debian 13) are those that
    resist quantum computers: OpenSSH 8.5 and PuTTY 0.78 are the oldest clients. For older ones, and
    for other programs with paramiko, add `curve25519-sha256` to the list. The default of older
    servers has it."""

    ciphers: Algorithms = None
    """Ciphers."""

    macs: Algorithms = None
    """Message authentication codes."""

    host_key_algorithms: Algorithms = None
    """Signature algorithms of host keys."""

    pubkey_accepted_algorithms: Algorithms = None
    """Signature algorithms of users' keys."""
