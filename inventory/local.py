"""This machine, without SSH: only for a disposable virtual machine. It asks first."""

import sys as _sys
from pathlib import Path as _Path

from pyinfra.api.exceptions import InventoryError

# So that the import works in any directory; inventory/group_data reports a wrong one.
_sys.path.append(str(_Path(__file__).resolve().parents[1]))

from groundcrew.lab import local as _local
from groundcrew.lab.process import LabError as _LabError

try:
    _local.confirm()
except _LabError as _error:
    raise InventoryError(str(_error)) from None

web = [("@local", {"verify": {"address": "127.0.0.1"}})]
