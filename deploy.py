"""The whole run, top to bottom: `pyinfra inventory/prod.py deploy.py`."""

from pyinfra import host, inventory, state

from groundcrew import partial
from groundcrew.bindings import Link
from groundcrew.bindings import operations as servers
from groundcrew.releases import stopping
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
releases.require_all_hosts(inventory, state)
settings = loaded.settings
brought = settings.brought
# The roles of this run (`--data only=nginx`, `--data skip=backup`), and what they bring.
parts = settings.parts
partial.tell(parts, brought)
needed = parts.brought(brought)

# On every host, before any host is changed.
preflight.apply(settings=settings.preflight, wanted=wanted(settings))

# Every host.
base.apply(
    settings=settings.base.with_sysctl(brought.sysctl),
    # Those of all roles at once. fail2ban is packages, files and a service, and nothing more.
    packages=needed.packages,
    first_files=needed.first_files,
    files_of_others=needed.files,
    services=needed.services,
    own="base" in parts,
)
if settings.runs_apps and "python" in parts:
    python.begin(settings=settings.python)
if "users" in parts:
    users.apply(settings=settings.users, rsa_size=settings.ssh.required_rsa_size)
if "ssh" in parts:
    ssh.apply(settings=combined.ssh(settings), admins=settings.admins)
if "firewall" in parts:
    firewall.apply(settings=combined.firewall(settings))

# Databases and logins, before the applications that need them.
place = settings.place
if needed.states_first:
    servers.contents(
        name="servers | databases and logins",
        states=needed.states_first,
        given=[*place.provides, *place.replicas],
    )
logins: list[Link] = [
    *(place.uses if "app" in parts else ()),
    *(item for item in place.follows if item.role in parts),
]
if logins:
    servers.logins(name="servers | logins of other hosts", bindings=logins)
if needed.states_last:
    servers.contents(name="servers | replicas", states=needed.states_last)

# Before releases, which may ask for a backup.
if settings.backed_up and "backup" in parts:
    backup.prepare(
        settings=settings.backup,
        host_name=host.name,
        apps=settings.app,
        sources=brought.backups,
        secrets=combined.role_secrets(loaded),
    )
    if settings.run.prepare:
        backup.log_in(settings=settings.backup, host_name=host.name)

# Hosts that run applications, or have sites of roles.
sites = combined.tls_sites(settings)
if settings.runs_apps and "app" in parts:
    app.prepare(apps=settings.app, pages=combined.maintenance_pages(settings))
if settings.runs_apps or settings.role_sites:
    if "tls" in parts:
        tls.begin(sites=sites)
    if "nginx" in parts:
        nginx.apply(
            settings=combined.web(settings),
            apps=settings.app,
            passwords=loaded.passwords,
            profile=settings.tls.profile,
            certificates=combined.certificates(loaded),
            sites=combined.served(loaded),
        )
if settings.runs_apps:
    if "python" in parts:
        python.finish()
    if "app" in parts and not settings.run.prepare:
        plans = releases.release_plans(releases.app_names(inventory), loaded)
        app.build(plans=list(plans.values()))
        for names in host.loop(releases.together(releases.app_names(inventory))):
            app.release(
                names=names,
                plans=plans,
                batch_sizes=releases.batch_sizes(names, inventory),
                moved=releases.moved(names, loaded, inventory),
            )
if (settings.runs_apps or settings.role_sites) and "tls" in parts:
    tls.finish(settings=settings.tls, sites=sites)
if settings.runs_apps:
    app.finish()
if "renewal" in parts:
    renewal.apply(
        settings=settings.renewal,
        units=brought.renewals,
        apps=releases.renewals(settings.apps, loaded),
    )
elif "app" in parts:
    renewal.applications(apps=releases.renewals(settings.apps, loaded))
# Hosts that balance the applications of the others, which serve by now: pyinfra keeps the order of
# operations that hosts share, such as those of `renewal`.
if settings.haproxy.group in settings.place.groups:
    if "tls" in parts:
        tls.begin(sites=sites)
    if "haproxy" in parts:
        haproxy.apply(
            settings=settings.haproxy,
            place=settings.place,
            sites=sites,
            profile=settings.tls.profile,
            certificates=combined.certificates(loaded),
        )
    if "tls" in parts:
        tls.finish(settings=settings.tls, sites=sites, front=combined.BALANCER)
# Applications that are idle here, when others serve and balancers have no more requests for these.
# Every host takes the first step, so that nothing stops before it has ended.
handing_over = "app" in parts and "haproxy" in parts and not settings.run.prepare
if handing_over and releases.any_idle(inventory):
    haproxy.hand_over(settings=settings.haproxy, place=settings.place)
    for name in host.loop(sorted(settings.idle_apps)):
        stopping.stop(
            name=f"{name}: stop, as it is idle here",
            target=releases.target(name, loaded),
            page=combined.maintenance_pages(settings)[name],
            site=combined.maintenance_site(settings, name),
            activate=nginx.activate_command(),
        )
    haproxy.stopped(settings=settings.haproxy, place=settings.place)
if "monitoring" in settings.place.groups and "monitoring" in parts:
    if not settings.runs_apps and not settings.role_sites:
        nginx.withdraw(settings=settings.nginx)
    monitoring.apply(
        settings=settings.monitoring,
        place=settings.place,
        secrets=combined.role_secrets(loaded),
    )
if settings.backed_up and "backup" in parts and not settings.run.prepare:
    backup.apply(settings=settings.backup, host_name=host.name, sources=brought.backups)
if brought.logs and "logrotate" in parts:
    logrotate.apply(settings=settings.logrotate, logs=brought.logs)

if "verify" in parts and not settings.run.prepare:
    verify.apply(settings=settings.verify, **verify_arguments(loaded, parts))
