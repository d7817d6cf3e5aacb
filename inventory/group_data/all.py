"""Sets nothing: ends the run if pyinfra was not started in the project's directory.

pyinfra reads this file with every inventory in this directory, but `config.py` and `group_data/`
only in the current directory. Started elsewhere, it would log in without your settings.
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
