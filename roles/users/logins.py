"""Settings of PAM for logins with a password."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.model import Settings

GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]


class LoginsSettings(Settings):
    """Logins with a password: on consoles, with `su`, and by SSH where it takes passwords. Three
    kinds of logins work whatever is set here: with a key, root's on the console, and sudo of
    administrators, which asks for no password. A change is put back unless a new login works."""

    failures: int = Field(0, ge=0, le=100)
    """Number of wrong passwords after which a user, but not root, has to wait (pam_faillock); 0 =
    never. strict: 4."""

    unlock_after: int = Field(900, ge=60)
    """Seconds that the user then has to wait."""

    password_quality: bool = False
    """Whether a new password must have 14 characters of all kinds and must not be in a dictionary
    (pam_pwquality). strict: true."""

    password_history: int = Field(0, ge=0, le=400)
    """Number of earlier passwords that cannot be chosen again (pam_pwhistory). strict: 24."""

    empty_passwords: bool = True
    """Whether PAM lets in a user with an empty password, as on Debian. strict: false."""

    su_group: GroupName | None = None
    """Group whose members alone may use `su`, besides root. The group is made without members. null
    leaves `su` alone. strict: sugroup."""
