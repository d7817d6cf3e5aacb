"""Puts back guarded changes; `guard` leaves it on the host as put_back.py.

`late NAME`: its time is up (the sleeper). `back NAME`: the operator does not get in. `boot`: the
host went down before anybody decided, see `templates/guard/boot.service.j2`.
Exit 1 with the reason on stderr where something could not be put back.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import sys

from groundcrew.remote.put_back import GuardError, decide, put_back_at_boot, state_of


def main(arguments: list[str]) -> int:
    """Puts back one change, or at boot all."""
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
