"""Prints the workload of an application on each host of an inventory that has it, as JSON. pyinfra
runs this file; it connects to no host. What is asked for is in the variable GROUNDCREW_EXPORT."""

import json
import os

from pydantic import TypeAdapter
from pyinfra import inventory, state

from groundcrew.orchestrators.workload import Workload
from groundcrew.project import ROOT
from groundcrew.roles.workloads import NotExportedError, workload
from groundcrew.settings import settings_for

asked = json.loads(os.environ["GROUNDCREW_EXPORT"])
answer = {}
for host in inventory:
    settings = settings_for(host).settings
    if asked["app"] not in settings.app or not state.is_host_in_limit(host):
        continue
    try:
        made = workload(asked["app"], settings, ROOT, **asked["options"])
        answer[host.name] = {
            "workload": TypeAdapter(Workload).dump_python(made, mode="json"),
        }
    except NotExportedError as error:
        answer[host.name] = {"error": str(error)}
print(json.dumps(answer))
