"""Restores an application's data from a backup.

pyinfra inventory/prod.py playbooks/restore.py -y --data app=NAME [--data restore=NAME]
    [--data at="2026-11-22 14:00"] [--data part=postgresql] [--data target=NAME]
    [--data of_host=NAME] [--data confirm=MARK]

Without `restore`, it shows what would be replaced by which backup, and changes nothing. What it
replaces is kept until `confirm`. If it is interrupted, run it again.
"""

from pyinfra import host, inventory, state

from groundcrew.roles import arguments
from groundcrew.roles.backup import operations
from groundcrew.roles.backup.settings import folder_name
from groundcrew.settings import settings_for

settings = settings_for(host).settings
name = arguments.restored_app(item for item in inventory if state.is_host_in_limit(item))
run = settings.run
request = {
    "app": name,
    "part": run.part,
    "at": operations.seconds(run.at),
    "target": run.target,
    "from": folder_name(run.of_host) if run.of_host else None,
    "mark": run.confirm,
}

if name in arguments.backed_up_apps(settings):
    if run.confirm:
        operations.step(name=f"{name}: remove what was replaced", step="forget", request=request)
    else:
        operations.describe(
            name=f"{name}: what is replaced", request=request, go_on=run.restore is not None
        )
        if run.restore:
            # A step at a time on all hosts: applications stop before databases are replaced.
            operations.step(name=f"{name}: fetch the backups", step="prepare", request=request)
            operations.step(name=f"{name}: stop", step="stop", request=request)
            operations.step(name=f"{name}: replace the data", step="put", request=request)
            operations.step(name=f"{name}: start", step="start", request=request)
