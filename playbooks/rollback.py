"""Back to an older release, in seconds and without building.

pyinfra inventory/prod.py playbooks/rollback.py -y --data app=NAME [--data release=ID]
"""

from pyinfra import host, inventory

from groundcrew.releases import finishing, rollback
from groundcrew.settings import settings_for
from roles import wiring

loaded = settings_for(host)

for name in host.loop(wiring.one_app(inventory)):
    if name in loaded.settings.app:
        target = wiring.target(name, loaded)
        rollback.rollback(
            name=f"{name}: roll back", target=target, asked=loaded.settings.run.release
        )
        finishing.follow(
            name=f"{name}: workers and timers", target=target, release_of=rollback.live_release
        )
        finishing.retire(
            name=f"{name}: retire the release that was left",
            targets=[(target, rollback.live_release)],
        )
