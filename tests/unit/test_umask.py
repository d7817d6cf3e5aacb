"""What a run makes on a host does not depend on the mask that root has there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.checkout import Checkout, Listener


def test_a_stricter_mask_of_the_host_changes_nothing(tmp_path: Path) -> None:
    listener = Listener()
    checkout = Checkout(tmp_path, listener)
    listener.socket.close()
    checkout.write(
        "play.py",
        "from pyinfra.operations import server\n"
        f"server.shell(name='make', commands=['mkdir {tmp_path}/a && mkdir {tmp_path}/b'], "
        "_sudo=False)\n",
    )
    pyinfra = Path(sys.executable).with_name("pyinfra")
    run = f"umask 077; exec {pyinfra} @local play.py -y"
    done = subprocess.run(
        ["sh", "-c", run], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o755, 0o755]
