"""Restores the state before guarded changes; `guard` installs it on the host as put_back.py.

`late NAME`: the time is up (called by the sleeper). `back NAME`: the operator cannot log in.
`boot`: the host went down before a decision, see `templates/guard/boot.service.j2`. Exits with 1
and the reason on stderr if something could not be restored. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import sys

from groundcrew.remote.put_back import GuardError, decide, put_back_at_boot, state_of


def main(arguments: list[str]) -> int:
    """Restores the state before one change, or before all of them at boot."""
    try:
        if arguments == ["boot"]:
            problems = put_back_at_boot()
        else:
            claimant, name = arguments
            decide(state_of(name), claimant)
            problems = []
    except (GuardError, OSError, ValueError) as error:
        problems = [str(error)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
