"""Settings of what PAM asks of logins with a password."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.model import Settings

GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]


class LoginsSettings(Settings):
    """Logins with a password: consoles, `su`, and SSH where it takes passwords.

    Logins with a key, root's on the console, and sudo of administrators, which asks for no
    password, go on whatever is set here. A change is put back unless a new login works.
    """

    failures: int = Field(0, ge=0, le=100)
    """Wrong passwords after which a user, but not root, has to wait (pam_faillock); 0: never.
    strict: 4."""

    unlock_after: int = Field(900, ge=60)
    """Seconds to wait then."""

    password_quality: bool = False
    """Whether a new password must have 14 characters of all kinds and be in no dictionary
    (pam_pwquality). strict: true."""

    password_history: int = Field(0, ge=0, le=400)
    """Earlier passwords that cannot be chosen again (pam_pwhistory). strict: 24."""

    empty_passwords: bool = True
    """Whether PAM lets in a user whose password is empty, as Debian has it. strict: false."""

    su_group: GroupName | None = None
    """Group whose members alone may use `su`; it is made without any. root still may. null leaves
    `su` alone. strict: sugroup."""
