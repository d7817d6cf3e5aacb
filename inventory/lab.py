"""The running lab hosts: `bin/lab up web1`, then `pyinfra inventory/lab.py deploy.py`."""

from pyinfra.api.exceptions import InventoryError

from groundcrew.lab import inventory as _lab
from groundcrew.lab.process import LabError as _LabError

try:
    globals().update(_lab.running())
except _LabError as _error:
    raise InventoryError(str(_error)) from None
