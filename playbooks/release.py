"""Releases applications on hosts that are converged: the same steps as in deploy.py, alone.

pyinfra inventory/prod.py playbooks/release.py -y [--data app=NAME]
"""

from pyinfra import host, inventory

from groundcrew.settings import settings_for
from roles import app, wiring

loaded = settings_for(host)

plans = wiring.release_plans(wiring.asked_apps(inventory), loaded)
app.build(plans=list(plans.values()))
for name in host.loop(wiring.asked_apps(inventory)):
    if name in plans:
        app.release(plan=plans[name], batch_size=wiring.batch_size(name, inventory))
