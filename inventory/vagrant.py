"""The virtual machines of the Vagrantfile: `vagrant up`, then this inventory.

What they are is in `inventory/vagrant.yml`, which the Vagrantfile reads as well.
"""

import sys as _sys
from pathlib import Path as _Path

from pyinfra.api.exceptions import InventoryError

# So that the import works in any directory; inventory/group_data reports a wrong one.
_sys.path.append(str(_Path(__file__).resolve().parents[1]))

from groundcrew.lab import vagrant as _vagrant
from groundcrew.lab.process import LabError as _LabError

try:
    globals().update(_vagrant.running())
except _LabError as _error:
    raise InventoryError(str(_error)) from None
