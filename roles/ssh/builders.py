"""The SSH server's configuration from settings and what the host has: pure.

Algorithms follow the ssh-audit hardening guides of Debian 12 and 13. From OpenSSH 9.9 on, that is
post-quantum key exchange only; `groundcrew.post_quantum` teaches it to pyinfra's client. Older
servers have one kind of it that this client does not know, so curve25519 stays beside it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from groundcrew.facts.sshd import SshdState
from groundcrew.templates import render
from roles.ssh.settings import SshSettings

Directives = dict[str, list[str]]

SEVERAL = {"HostKey", "AllowUsers", "AllowGroups"}
BEGIN = "# groundcrew: the values of sshd_config.d/00-groundcrew.conf again"
END = "# groundcrew: end"
ASIDE = "# groundcrew: "

POST_QUANTUM = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
)
CURVE25519 = ("curve25519-sha256", "curve25519-sha256@libssh.org")
CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-gcm@openssh.com",
    "aes128-ctr",
)
MACS = (
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "umac-128-etm@openssh.com",
)
# The guide of the older one has them in this order, and its checker minds.
MACS_BEFORE = (MACS[1], MACS[0], MACS[2])
SINCE_ML_KEM = (9, 9)
SIGNATURES = (
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


def directives(settings: SshSettings, state: SshdState, admins: Sequence[str] = ()) -> Directives:
    """sshd_config keywords and their values; a keyword with several values has a line for each."""
    scalars: Mapping[str, object] = {
        "PermitRootLogin": settings.permit_root_login,
        "PasswordAuthentication": settings.password_authentication,
        "KbdInteractiveAuthentication": settings.kbd_interactive_authentication,
        "PermitEmptyPasswords": False,
        "HostbasedAuthentication": False,
        "GSSAPIAuthentication": False,
        "PermitTunnel": settings.permit_tunnel,
        "PermitUserRC": settings.permit_user_rc,
        "GatewayPorts": False,
        "AllowStreamLocalForwarding": settings.allow_tcp_forwarding,
        "Compression": settings.compression,
        "TCPKeepAlive": settings.tcp_keep_alive,
        "IgnoreRhosts": True,
        "IgnoreUserKnownHosts": True,
        "PermitUserEnvironment": settings.permit_user_environment,
        "StrictModes": True,
        "UsePAM": True,
        "MaxAuthTries": settings.max_auth_tries,
        "MaxSessions": settings.max_sessions,
        "MaxStartups": settings.max_startups,
        "LoginGraceTime": settings.login_grace_time,
        "ClientAliveInterval": settings.client_alive_interval,
        "ClientAliveCountMax": settings.client_alive_count_max,
        "X11Forwarding": settings.x11_forwarding,
        "AllowAgentForwarding": settings.allow_agent_forwarding,
        "AllowTcpForwarding": settings.allow_tcp_forwarding,
        "LogLevel": settings.log_level,
        "Banner": settings.banner or "none",
    }
    found: Directives = {keyword: [_value(value)] for keyword, value in scalars.items()}
    if state.version >= (9, 1):
        found["RequiredRSASize"] = [str(settings.required_rsa_size)]
    found["HostKey"] = [f"/etc/ssh/ssh_host_{name}_key" for name in host_keys(settings, state)]
    found |= {
        keyword: [",".join(names)]
        for keyword, names in algorithms(settings, state).items()
        if names
    }
    found["AllowUsers"] = allowed_users(settings, admins)
    found["AllowGroups"] = list(settings.allow_groups)
    return {keyword: values for keyword, values in found.items() if values}


def allowed_users(settings: SshSettings, admins: Sequence[str]) -> list[str]:
    """Who alone may log in; empty: everybody."""
    if not settings.admins_only:
        return list(settings.allow_users)
    root = [] if settings.permit_root_login == "no" else ["root"]
    return list(dict.fromkeys([*root, *admins, *settings.allow_users]))


def host_keys(settings: SshSettings, state: SshdState) -> list[str]:
    """Types of the host keys to offer: those wanted that the host has and that are long enough."""
    return [
        name
        for name in settings.host_keys
        if name in state.host_keys
        and (name != "rsa" or state.host_keys[name] >= settings.host_rsa_size)
    ]


def algorithms(settings: SshSettings, state: SshdState) -> dict[str, Sequence[str]]:
    """The algorithms to offer, by keyword, of those that the installed OpenSSH has."""
    recent = state.version >= SINCE_ML_KEM
    key_exchange = POST_QUANTUM + (() if recent else CURVE25519)
    return {
        "KexAlgorithms": settings.kex_algorithms or _known(key_exchange, state, "kex"),
        "Ciphers": settings.ciphers or _known(CIPHERS, state, "cipher"),
        "MACs": settings.macs or _known(MACS if recent else MACS_BEFORE, state, "mac"),
        "HostKeyAlgorithms": settings.host_key_algorithms
        or _known(SIGNATURES, state, "HostKeyAlgorithms"),
        "PubkeyAcceptedAlgorithms": settings.pubkey_accepted_algorithms
        or _known(SIGNATURES, state, "PubkeyAcceptedAlgorithms"),
    }


def expected(declared: Directives) -> Directives:
    """What `sshd -T` has to say when the directives are in effect."""
    found = {keyword.lower(): values for keyword, values in declared.items()}
    if found.get("permitrootlogin") == ["prohibit-password"]:
        found["permitrootlogin"] = ["without-password"]
    return found


def drop_in(declared: Directives) -> str:
    """The drop-in file."""
    lines = [f"{keyword} {value}" for keyword, values in declared.items() for value in values]
    return render("ssh/sshd_config.j2", lines=lines)


def with_include(main: str, line: str) -> str:
    """sshd_config with the drop-in directory included first, where it is not included yet."""
    if any(found.split() == line.split() for found in main.splitlines()):
        return main
    return f"{line}\n\n{main}"


def with_values(main: str, declared: Directives) -> str:
    """sshd_config with the values at its end of the global part too, or without them where
    `declared` has none; its own lines of the same keywords are commented out, and come back.

    Keywords that may have several values are left out: they would count twice.
    """
    if not declared and ASIDE not in main:
        return main
    own = _own_lines(main)
    single = {word: values[0] for word, values in declared.items() if word not in SEVERAL}
    known = {keyword.lower() for keyword in single}
    kept, rest = [], list(own)
    while rest and not rest[0].lower().startswith("match "):
        line = rest.pop(0)
        word = line.split(maxsplit=1)[0].lower() if line.split() else ""
        kept.append(f"{ASIDE}{line}" if word in known else line)
    if single:
        kept += [BEGIN, *(f"{keyword} {value}" for keyword, value in single.items()), END]
    return "".join(f"{line}\n" for line in [*kept, *rest])


def _own_lines(main: str) -> list[str]:
    """The lines of sshd_config without ours, as they were."""
    found, inside = [], False
    for line in main.splitlines():
        if line == BEGIN:
            inside = True
        elif line == END:
            inside = False
        elif not inside:
            found.append(line.removeprefix(ASIDE))
    return found


def _known(names: Iterable[str], state: SshdState, query: str) -> list[str]:
    return [name for name in names if name in state.algorithms.get(query, [])]


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
