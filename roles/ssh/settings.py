"""Settings of the SSH role."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.model import WrongValueError

Algorithm = Annotated[str, StringConstraints(pattern=r"^[a-z0-9@.-]+$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[^\s,\"]+$")]
Algorithms = tuple[Algorithm, ...] | None
Port = Annotated[int, Field(ge=1, le=65535)]
UNPRIVILEGED = 1024
"""The first port that others than root can listen on."""


def _keyword(value: object) -> object:
    """YAML and the command line parse `no` as false; sshd's keyword is meant."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


Keyword = BeforeValidator(_keyword)


class SshSettings(RoleSettings):
    """The SSH server; each setting is named after the sshd_config(5) keyword it sets.

    Algorithms are null by default, which takes the list of the ssh-audit
    hardening guide for the OpenSSH version that the host has.
    """

    ports: tuple[Port, ...] | None = Field(None, min_length=1)
    """TCP ports that sshd listens on; null: those that the host's own configuration names (22). A
    run that would close the port that it is connected to is refused: list the old and the new port
    first. One must be below 1024, which only root can take."""

    unprivileged_ports: bool = False
    """Whether all of `ports` may be 1024 or higher. Any program of the host can take such a port
    while sshd restarts: it could keep you out, or pose as sshd."""

    permit_root_login: Annotated[
        Literal["no", "prohibit-password", "forced-commands-only", "yes"], Keyword
    ] = "no"
    """Whether root may log in."""

    password_authentication: bool = False
    """Whether a password is enough to log in."""

    kbd_interactive_authentication: bool = False
    """Whether PAM may ask for passwords and the like during login."""

    max_auth_tries: int = Field(4, ge=2, le=20)
    """Login attempts per connection; every key that an SSH agent offers is one.
    Source: <https://www.cisecurity.org/benchmark/debian_linux>."""

    login_grace_time: int = Field(30, ge=5)
    """Seconds within which a client must have logged in."""

    max_sessions: int = Field(10, ge=3)
    """Largest number of sessions per connection; groundcrew needs three.
    Source: <https://www.cisecurity.org/benchmark/debian_linux>."""

    max_startups: Annotated[str, StringConstraints(pattern=r"^\d+:\d+:\d+$")] = "10:30:60"
    """Limit on connections that have not logged in yet, as start:rate:full: from `start`
    connections on, `rate` percent are refused, rising to all at `full`.
    Source: <https://www.cisecurity.org/benchmark/debian_linux>."""

    client_alive_interval: int = Field(120, ge=0)
    """Seconds of silence after which the server asks whether the client is still there."""

    client_alive_count_max: int = Field(2, ge=0)
    """Number of unanswered questions after which the connection is closed."""

    x11_forwarding: bool = False
    """Whether X11 may be forwarded."""

    allow_agent_forwarding: bool = False
    """Whether SSH agents may be forwarded; root on the host can use a forwarded agent."""

    allow_tcp_forwarding: Annotated[Literal["yes", "no", "local", "remote"], Keyword] = "no"
    """Whether ports may be forwarded; a host through which others are reached (ProxyJump) needs
    `local`."""

    permit_tunnel: bool = False
    """Whether tunnel devices may be forwarded."""

    permit_user_rc: bool = False
    """Whether ~/.ssh/rc is run."""

    compression: bool = False
    """Whether connections may be compressed, after the login."""

    tcp_keep_alive: bool = False
    """Whether TCP probes find out that a client is gone. `client_alive_interval` does so inside the
    encryption, where nobody else can answer."""

    permit_user_environment: bool = False
    """Whether ~/.ssh/environment is read."""

    log_level: Literal["INFO", "VERBOSE", "DEBUG"] = "VERBOSE"
    """Level of sshd's log; VERBOSE logs the fingerprint of each key that logs in."""

    banner: Annotated[str, StringConstraints(pattern=r"^(/[^\s]+|none)$")] | None = None
    """File on the host that is shown before login, or `none`; null: the text of `base.banner`."""

    allow_users: tuple[Pattern, ...] = ()
    """Only these users (patterns) may log in; empty = all."""

    allow_groups: tuple[Pattern, ...] = ()
    """Only members of these groups (patterns) may log in; empty = all."""

    admins_only: bool = False
    """Whether only the administrators (`users.admins`), `allow_users`, and root if
    `permit_root_login` allows it, may log in; users made by hand may not. A run that would shut out
    its own user is refused. strict: true."""

    main_file: bool = False
    """Whether sshd_config itself has the values too, readable by root only, for auditors that read
    no drop-ins (OpenSCAP). strict: true."""

    host_keys: tuple[Literal["ed25519", "rsa", "ecdsa"], ...] = ("ed25519", "rsa")
    """Types of host keys that sshd offers, if the host has them; without NIST curves (`ecdsa`) by
    default.
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    required_rsa_size: int = Field(3072, ge=1024)
    """Length in bits that a user's RSA key must have (OpenSSH 9.1 or later).
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    host_rsa_size: int = Field(4096, ge=1024)
    """Length in bits that the host's own RSA key must have; a shorter key is not offered. Debian
    makes keys of 3072 bits."""

    kex_algorithms: Algorithms = None
    """Key exchange algorithms. With OpenSSH 9.9 or later (Debian 13), the default are those that
    resist quantum computers; the oldest clients that know one are OpenSSH 8.5 and PuTTY 0.78. For
    older clients, and for other programs that use paramiko, set a list that also has
    `curve25519-sha256`. With older servers, the default has it.
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    ciphers: Algorithms = None
    """Ciphers.
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    macs: Algorithms = None
    """Message authentication codes.
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    host_key_algorithms: Algorithms = None
    """Signature algorithms of host keys.
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    pubkey_accepted_algorithms: Algorithms = None
    """Signature algorithms of users' keys.
    Source: <https://www.ssh-audit.com/hardening_guides.html>."""

    @model_validator(mode="after")
    def _a_port_is_roots(self) -> SshSettings:
        if self.ports and min(self.ports) >= UNPRIVILEGED and not self.unprivileged_ports:
            raise WrongValueError(
                "ports",
                "any program of the host can take a port from 1024 on while sshd restarts. Choose "
                "one below, such as 922, or set unprivileged_ports",
            )
        return self

    def with_banner(self, banner: str | None) -> SshSettings:
        """The settings with the host's banner, unless they set one."""
        if self.banner is not None or banner is None:
            return self
        return self.model_copy(update={"banner": banner})

    def brings(self, host: HostView) -> Brings:
        """See `roles/ssh/brings.py`."""
        from groundcrew.roles.ssh.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
