"""Runs applications on Docker Swarm: the swarm, images of their live releases, and the stacks.

pyinfra inventory/prod.py playbooks/swarm.py -y [--data app=NAME]

The hosts are in the groups `swarm_managers` and `swarm_workers` and have been deployed. An update
that fails goes back by itself, and the run fails with the reason.
"""

from functools import partial

from pyinfra import host, inventory

from groundcrew.roles import images
from groundcrew.roles.swarm import operations as swarm
from groundcrew.roles.swarm.settings import members
from groundcrew.settings import settings_for

settings = settings_for(host).settings
builder = images.first_manager(inventory)
leader = settings_for(inventory.get_host(builder))
registry = leader.settings.swarm.registry
everyone = [item.name for item in members(leader.settings.place)]
names = images.asked(inventory)

if host.name in everyone:
    swarm.look(name="swarm | state")
    swarm.made(name="swarm | new swarm", settings=settings.swarm, place=settings.place)
    swarm.joined(name="swarm | join", place=settings.place)
    for name in host.loop(names):
        item = images.wanted(name, leader)
        if host.name == builder:
            images.tell_ignored(item)
        swarm.image(name=f"{name}: image", app=name, request=item.image, builder=builder)
        swarm.shipped(name=f"{name}: images of hosts", app=name, builder=builder, registry=registry)
        swarm.running(
            name=f"{name}: stack",
            app=name,
            update=swarm.Update(
                request=partial(images.request, item, registry is None),
                builder=builder,
                registry=registry,
                everyone=everyone,
                keep=leader.settings.swarm.keep,
            ),
        )
