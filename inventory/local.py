"""This machine itself, over no network: for a disposable virtual machine. It asks first."""

from pyinfra.api.exceptions import InventoryError

from groundcrew.lab import local as _local
from groundcrew.lab.process import LabError as _LabError

try:
    _local.confirm()
except _LabError as _error:
    raise InventoryError(str(_error)) from None

web = [("@local", {"verify": {"address": "127.0.0.1"}})]
