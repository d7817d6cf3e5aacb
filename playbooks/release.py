"""Releases applications on hosts that are already configured: only the release steps of deploy.py.

pyinfra inventory/prod.py playbooks/release.py -y [--data app=NAME]
"""

from pyinfra import host, inventory, state
from pyinfra.api import OperationError

from groundcrew.roles import app, arguments, releases, renewal
from groundcrew.settings import settings_for

loaded = settings_for(host)
if loaded.settings.run.prepare:
    raise OperationError("prepare=yes is for deploy.py: this file does nothing but release")

plans = releases.release_plans(arguments.asked_apps(inventory), loaded)
releases.require_all_hosts(inventory, state)
app.build(plans=list(plans.values()))
for names in host.loop(releases.together(arguments.asked_apps(inventory))):
    app.release(
        names=names,
        plans=plans,
        batch_sizes=releases.batch_sizes(names, inventory),
        moved=releases.moved(names, loaded, inventory),
    )
app.finish()
renewal.applications(apps=releases.renewals(arguments.asked_apps(inventory), loaded))
