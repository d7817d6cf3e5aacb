"""Releases applications on hosts that are converged: the same steps as in deploy.py, alone.

pyinfra inventory/prod.py playbooks/release.py -y [--data app=NAME]
"""

from pyinfra import host, inventory

from groundcrew.settings import settings_for
from roles import app, wiring

loaded = settings_for(host)

plans = wiring.release_plans(wiring.asked_apps(inventory), loaded)
app.build(plans=list(plans.values()))
for names in host.loop(wiring.together(wiring.asked_apps(inventory))):
    app.release(names=names, plans=plans, batch_sizes=wiring.batch_sizes(names, inventory))
app.finish()
