"""The whole run, top to bottom: `pyinfra inventory/prod.py deploy.py`."""

from pyinfra import host, inventory

from groundcrew.settings import settings_for
from roles import app, base, firewall, logrotate, nginx, python, ssh, users, verify, wiring
from roles.plan import verify_arguments

loaded = settings_for(host)
settings = loaded.settings

# Every host.
base.apply(settings.base, packages=wiring.packages(settings))
users.apply(settings.users)
ssh.apply(settings.ssh, admins=wiring.admins(settings))
firewall.apply(wiring.firewall(settings))

# Hosts that run applications.
if "web" in host.groups:
    python.apply(settings.python)
    for name in host.loop(wiring.app_names(inventory)):
        if name in settings.app:
            app.prepare(name, settings.app[name])
    nginx.apply(settings.nginx, apps=settings.app)
    for name in host.loop(wiring.app_names(inventory)):
        if name in settings.app:
            app.release(wiring.release_plan(name, loaded))
    logrotate.apply(settings.logrotate)

verify.apply(settings.verify, **verify_arguments(loaded.settings))
