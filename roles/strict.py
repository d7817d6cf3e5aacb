"""The defaults that `base.hardening: strict` sets; any explicit setting overrides them."""

from __future__ import annotations

from typing import Any

# CIS Debian Linux Benchmark, level 1 server, and lynis suggestions. docs/hardening.md lists what
# each one does and who will notice it.
STRICT: dict[str, Any] = {
    "base": {
        "auditd": True,
        "cron_users": ["root"],
        "idle_logout": 900,
        "journald_main_file": True,
        "packages_off": dict.fromkeys(("ftp", "inetutils-telnet", "telnet", "tnftp"), True),
        "login_defs": {"UMASK": "027", "SHA_CRYPT_MIN_ROUNDS": 65536},
        "private_dotfiles": True,
        "security_packages": {
            "aide": True,
            "apt-listchanges": True,
            "cron": True,
            "debsums": True,
            "libpam-tmpdir": True,
            "needrestart": True,
        },
    },
    "ssh": {"admins_only": True, "main_file": True, "max_auth_tries": 3, "max_sessions": 4},
    "users": {
        "logins": {
            "empty_passwords": False,
            "failures": 4,
            "password_history": 24,
            "password_quality": True,
            "su_group": "sugroup",
        }
    },
}
