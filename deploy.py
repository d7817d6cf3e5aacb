"""The whole run, top to bottom: `pyinfra inventory/prod.py deploy.py`."""

from pyinfra import host, inventory

from groundcrew.settings import settings_for
from roles import (
    app,
    base,
    fail2ban,
    firewall,
    logrotate,
    nginx,
    preflight,
    python,
    ssh,
    tls,
    users,
    verify,
    wiring,
)
from roles.plan import verify_arguments, wanted

loaded = settings_for(host)
settings = loaded.settings

# Every host, before any is changed.
preflight.apply(settings=settings.preflight, wanted=wanted(settings))

# Every host.
base.apply(
    settings=settings.base,
    packages=wiring.packages(settings),
    files_of_others=fail2ban.entries(settings.fail2ban),
    services=fail2ban.services(settings.fail2ban),
)
if "web" in host.groups:
    python.begin(settings=settings.python)
users.apply(settings=settings.users, rsa_size=settings.ssh.required_rsa_size)
ssh.apply(settings=wiring.ssh(settings), admins=wiring.admins(settings))
firewall.apply(settings=wiring.firewall(settings))

# Hosts that run applications.
if "web" in host.groups:
    app.prepare(apps=settings.app, pages=wiring.maintenance_pages(settings))
    sites = wiring.tls_sites(settings)
    tls.begin(sites=sites)
    nginx.apply(
        settings=settings.nginx,
        apps=settings.app,
        passwords=loaded.passwords,
        profile=settings.tls.profile,
        certificates=wiring.certificates(loaded),
    )
    python.finish()
    plans = wiring.release_plans(wiring.app_names(inventory), loaded)
    app.build(plans=list(plans.values()))
    for names in host.loop(wiring.together(wiring.app_names(inventory))):
        app.release(names=names, plans=plans, batch_sizes=wiring.batch_sizes(names, inventory))
    logrotate.apply(settings=settings.logrotate)
    tls.finish(settings=settings.tls, sites=sites)
    app.finish()

verify.apply(settings=settings.verify, **verify_arguments(loaded))
