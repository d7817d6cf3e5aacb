"""The running lab hosts: `bin/lab up web1`, then `pyinfra inventory/lab.py deploy.py`."""

import sys as _sys
from pathlib import Path as _Path

from pyinfra.api.exceptions import InventoryError

# So that the import works in any directory; inventory/group_data reports a wrong one.
_sys.path.append(str(_Path(__file__).resolve().parents[1]))

from groundcrew.lab import inventory as _lab
from groundcrew.lab.process import LabError as _LabError

try:
    globals().update(_lab.running())
except _LabError as _error:
    raise InventoryError(str(_error)) from None
