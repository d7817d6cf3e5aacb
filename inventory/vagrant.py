"""The virtual machines of the Vagrantfile: `vagrant up`, then this inventory.

What they are is in `inventory/vagrant.yml`, which the Vagrantfile reads as well.
"""

from pyinfra.api.exceptions import InventoryError

from groundcrew.lab import vagrant as _vagrant
from groundcrew.lab.process import LabError as _LabError

try:
    globals().update(_vagrant.running())
except _LabError as _error:
    raise InventoryError(str(_error)) from None
