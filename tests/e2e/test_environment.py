"""What systemd makes of an application's environment file."""

from __future__ import annotations

import base64
import json
import subprocess

from groundcrew.releases.environment import render
from tests.e2e.harness import ROOT, LabHost
from tests.environment_values import VALUES

PRINT = (
    "import base64, json, os; "
    "print(json.dumps({os.fsdecode(key): base64.b64encode(value).decode() "
    "for key, value in os.environb.items()}))"
)


def received(host: LabHost, text: str, user: str = "deploy") -> dict[str, bytes]:
    """The environment of a process whose EnvironmentFile holds `text`."""
    script = (
        "file=$(mktemp); cat > $file; systemd-run --quiet --pipe --wait --collect "
        f'--property=EnvironmentFile=$file /usr/bin/python3 -c "{PRINT}"; rm $file'
    )
    done = subprocess.run(
        [str(ROOT / "bin/lab"), "ssh", "--user", user, host.name, "--", f"sudo sh -c '{script}'"],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    values = json.loads(done.stdout)
    return {name: base64.b64decode(value) for name, value in values.items()}


def test_every_value_reaches_the_process_byte_for_byte(converged: LabHost) -> None:
    environment = received(converged, render(VALUES))
    wrong = {name for name, value in VALUES.items() if environment.get(name) != value.encode()}
    assert not wrong
    assert "FORGED" not in environment
