"""Rolls back to an older release, in seconds and without a build.

pyinfra inventory/prod.py playbooks/rollback.py -y --data app=NAME [--data release=ID]
"""

from pyinfra import host, inventory

from groundcrew.releases import finishing, rollback
from groundcrew.roles import arguments, releases
from groundcrew.settings import settings_for

loaded = settings_for(host)

# Where it is idle, the next run of deploy.py after that releases what is to serve then.
mine = loaded.settings.app.keys() - loaded.settings.idle_apps
releases.require_started(sorted(mine & set(arguments.one_app(inventory))), loaded)
for name in host.loop(arguments.one_app(inventory)):
    if name in mine:
        target = releases.target(name, loaded)
        rollback.rollback(
            name=f"{name}: roll back", target=target, asked=loaded.settings.run.release
        )
        finishing.replace_followers(
            name=f"{name}: workers and timers", target=target, release_of=rollback.live_release
        )
        finishing.retire(
            name=f"{name}: retire the release that was left",
            targets=[(target, rollback.live_release)],
        )
