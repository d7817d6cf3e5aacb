"""Sets nothing. pyinfra reads this with any inventory of this directory, wherever it is started.

It reads `config.py`, `group_data/` and `apps/` in the current directory only: started elsewhere, it
would try to log in without any of your settings.
"""

from pathlib import Path as _Path

from pyinfra.api.exceptions import PyinfraError as _PyinfraError
from pyinfra_cli.exceptions import CliError as _CliError

_PROJECT = _Path(__file__).resolve().parents[2]


class _WrongDirectoryError(_CliError, _PyinfraError):  # type: ignore[misc]
    """Ends the run before it connects."""


if not (_Path.cwd() / "config.py").is_file():
    raise _WrongDirectoryError(
        f"{_Path.cwd()} has no config.py and no group_data/: go to the project first:\n"
        f"  cd {_PROJECT}"
    )
