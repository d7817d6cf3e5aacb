"""Gives the needs of an application, or the replicas of a host, new passwords: without a failed
request, and without a copy that begins anew.

pyinfra inventory/prod.py playbooks/rotate.py -y --data app=NAME [--data need=NAME]
pyinfra inventory/prod.py playbooks/rotate.py -y --data host=NAME [--data part=redis.queue]

The old password works until the new one is used everywhere. If a run is interrupted, run it again.
"""

from dataclasses import replace

from pyinfra import host, inventory, state

from groundcrew.bindings import Link
from groundcrew.bindings import operations as servers
from groundcrew.roles import app, arguments, combined, releases
from groundcrew.settings import settings_for

loaded = combined.sized(settings_for(host))
settings = loaded.settings
links = arguments.rotated_replicas(inventory, state)
bindings = [] if links else arguments.rotated(inventory, state)
given: list[Link] = [*bindings, *links]
provided = [item for item in given if item.provider == host.name]
used = [item for item in bindings if host.name in [client.host for client in item.clients]]
fetched: list[Link] = [
    *(item for item in used if item.provider != host.name),
    *(item for item in links if item.replica == host.name),
]

if bindings:
    releases.require_started([bindings[0].app], loaded)
if provided:
    servers.rotate(name="servers | new passwords", states=settings.brought.states, given=provided)
if fetched:
    servers.logins(name="servers | logins of other hosts", bindings=fetched)
if links and fetched:
    servers.contents(name="servers | replicas", states=settings.brought.states_last)
if bindings:
    name = bindings[0].app
    plans = {
        key: replace(plan, renew=True)
        for key, plan in releases.release_plans([name] if used else [], loaded).items()
    }
    app.build(plans=list(plans.values()))
    app.release(names=[name], plans=plans, batch_sizes=releases.batch_sizes([name], inventory))
    app.finish()
if used:
    servers.refresh(name="servers | logins of kept releases", bindings=used)
if provided:
    servers.finish(
        name="servers | old passwords end", states=settings.brought.states, given=provided
    )
