"""The SSH server's configuration, from the settings and the state of the host. Pure.

Algorithms follow the ssh-audit hardening guides for Debian 12 and 13. Since OpenSSH 9.9 the key
exchange is post-quantum only, which `groundcrew.adapter.post_quantum` adds to pyinfra's client. The
only post-quantum key exchange of older servers is unknown to that client, so curve25519 stays
allowed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from groundcrew.facts.sshd import SshdState
from groundcrew.roles.ssh.settings import SshSettings
from groundcrew.templates import render

Directives = dict[str, list[str]]

SEVERAL = {"Port", "HostKey", "AllowUsers", "AllowGroups"}
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
# The guide for the older version uses this order, and ssh-audit checks the order.
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
    result: Directives = {keyword: [_value(value)] for keyword, value in scalars.items()}
    if state.version >= (9, 1):
        result["RequiredRSASize"] = [str(settings.required_rsa_size)]
    result["HostKey"] = [f"/etc/ssh/ssh_host_{name}_key" for name in host_keys(settings, state)]
    result |= {
        keyword: [",".join(names)]
        for keyword, names in algorithms(settings, state).items()
        if names
    }
    result["Port"] = [str(port) for port in settings.ports or ()]
    result["AllowUsers"] = allowed_users(settings, admins)
    result["AllowGroups"] = list(settings.allow_groups)
    return {keyword: values for keyword, values in result.items() if values}


def allowed_users(settings: SshSettings, admins: Sequence[str]) -> list[str]:
    """The only users that may log in; empty: all."""
    if not settings.admins_only:
        return list(settings.allow_users)
    root = [] if settings.permit_root_login == "no" else ["root"]
    return list(dict.fromkeys([*root, *admins, *settings.allow_users]))


def host_keys(settings: SshSettings, state: SshdState) -> list[str]:
    """Types of the host keys to offer: configured, present on the host and long enough."""
    return [
        name
        for name in settings.host_keys
        if name in state.host_keys
        and (name != "rsa" or state.host_keys[name] >= settings.host_rsa_size)
    ]


def algorithms(settings: SshSettings, state: SshdState) -> dict[str, Sequence[str]]:
    """Keyword -> the algorithms to offer, limited to those that the installed OpenSSH uses."""
    recent = state.version >= SINCE_ML_KEM
    key_exchange = POST_QUANTUM + (() if recent else CURVE25519)
    return {
        "KexAlgorithms": settings.kex_algorithms or _known(key_exchange, state, "kexalgorithms"),
        "Ciphers": settings.ciphers or _known(CIPHERS, state, "ciphers"),
        "MACs": settings.macs or _known(MACS if recent else MACS_BEFORE, state, "macs"),
        "HostKeyAlgorithms": settings.host_key_algorithms
        or _known(SIGNATURES, state, "hostkeyalgorithms"),
        "PubkeyAcceptedAlgorithms": settings.pubkey_accepted_algorithms
        or _known(SIGNATURES, state, "pubkeyacceptedalgorithms"),
    }


def expected(declared: Directives) -> Directives:
    """The output of `sshd -T` if the directives are in effect."""
    effective = {keyword.lower(): values for keyword, values in declared.items()}
    if effective.get("permitrootlogin") == ["prohibit-password"]:
        effective["permitrootlogin"] = ["without-password"]
    return effective


def drop_in(declared: Directives) -> str:
    """The drop-in file."""
    lines = [f"{keyword} {value}" for keyword, values in declared.items() for value in values]
    return render("ssh/sshd_config.j2", lines=lines)


def with_include(main: str, line: str) -> str:
    """sshd_config with the drop-in directory included at the top, unless it is included already."""
    if any(present.split() == line.split() for present in main.splitlines()):
        return main
    return f"{line}\n\n{main}"


def with_values(main: str, declared: Directives) -> str:
    """sshd_config with the values repeated at the end of its global part, or without them if
    `declared` is empty. Existing lines of the same keywords are commented out, and restored later.

    Keywords with several values are left out, as they would add up.
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
    """The original lines of sshd_config, without those that groundcrew has added."""
    own, inside = [], False
    for line in main.splitlines():
        if line == BEGIN:
            inside = True
        elif line == END:
            inside = False
        elif not inside:
            own.append(line.removeprefix(ASIDE))
    return own


def _known(names: Iterable[str], state: SshdState, keyword: str) -> list[str]:
    return [name for name in names if name in state.algorithms.get(keyword, [])]


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
