"""The whole run, top to bottom: `pyinfra inventory/prod.py deploy.py`."""

from pyinfra import host, inventory

from groundcrew.bindings import operations as servers
from groundcrew.roles import (
    app,
    backup,
    base,
    combined,
    firewall,
    haproxy,
    logrotate,
    monitoring,
    nginx,
    preflight,
    python,
    releases,
    renewal,
    ssh,
    tls,
    users,
    verify,
)
from groundcrew.roles.promises import verify_arguments, wanted
from groundcrew.settings import settings_for

loaded = combined.sized(settings_for(host))
settings = loaded.settings
brought = settings.brought

# On every host, before any host is changed.
preflight.apply(settings=settings.preflight, wanted=wanted(settings))

# Every host.
base.apply(
    settings=settings.base.with_sysctl(brought.sysctl),
    # Those of all roles at once. fail2ban is packages, files and a service, and nothing more.
    packages=brought.packages,
    first_files=brought.first_files,
    files_of_others=brought.files,
    services=brought.services,
)
if "web" in host.groups:
    python.begin(settings=settings.python)
users.apply(settings=settings.users, rsa_size=settings.ssh.required_rsa_size)
ssh.apply(settings=combined.ssh(settings), admins=settings.admins)
firewall.apply(settings=combined.firewall(settings))

# Databases and logins, before the applications that need them.
place = settings.place
if brought.states_first:
    servers.contents(
        name="servers | databases and logins",
        states=brought.states_first,
        given=[*place.provides, *place.replicas],
    )
if place.uses or place.follows:
    servers.logins(name="servers | logins of other hosts", bindings=[*place.uses, *place.follows])
if brought.states_last:
    servers.contents(name="servers | replicas", states=brought.states_last)

# Before releases, which may ask for a backup.
if settings.backed_up:
    backup.prepare(
        settings=settings.backup,
        host_name=host.name,
        apps=settings.app,
        sources=brought.backups,
        secrets=combined.role_secrets(loaded),
    )
    if settings.run.prepare:
        backup.log_in(settings=settings.backup, host_name=host.name)

# Hosts that run applications.
if "web" in host.groups:
    app.prepare(apps=settings.app, pages=combined.maintenance_pages(settings))
    sites = combined.tls_sites(settings)
    tls.begin(sites=sites)
    nginx.apply(
        settings=combined.web(settings),
        apps=settings.app,
        passwords=loaded.passwords,
        profile=settings.tls.profile,
        certificates=combined.certificates(loaded),
    )
    python.finish()
    if not settings.run.prepare:
        plans = releases.release_plans(releases.app_names(inventory), loaded)
        app.build(plans=list(plans.values()))
        for names in host.loop(releases.together(releases.app_names(inventory))):
            app.release(
                names=names, plans=plans, batch_sizes=releases.batch_sizes(names, inventory)
            )
    tls.finish(settings=settings.tls, sites=sites)
    app.finish()
renewal.apply(
    settings=settings.renewal,
    units=brought.renewals,
    apps=releases.renewals(settings.apps, loaded),
)
# Hosts that balance the applications of the others, which serve by now: pyinfra keeps the order of
# operations that hosts share, such as those of `renewal`.
if settings.place.balanced:
    sites = combined.tls_sites(settings)
    tls.begin(sites=sites)
    haproxy.apply(
        settings=settings.haproxy,
        place=settings.place,
        sites=sites,
        profile=settings.tls.profile,
        certificates=combined.certificates(loaded),
    )
    tls.finish(settings=settings.tls, sites=sites, front=combined.BALANCER)
if settings.backed_up and not settings.run.prepare:
    backup.apply(settings=settings.backup, host_name=host.name, sources=brought.backups)
if "monitoring" in host.groups:
    monitoring.apply(
        settings=settings.monitoring,
        place=settings.place,
        secrets=combined.role_secrets(loaded),
    )
if brought.logs:
    logrotate.apply(settings=settings.logrotate, logs=brought.logs)

if not settings.run.prepare:
    verify.apply(settings=settings.verify, **verify_arguments(loaded))
