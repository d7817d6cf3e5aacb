"""Makes images of applications from their live releases, on the first manager of the swarm.

pyinfra inventory/prod.py playbooks/image.py -y [--data app=NAME]

A release that has an image gets no other one. The image has no value of a variable.
"""

from pyinfra import host, inventory

from groundcrew.roles import images
from groundcrew.roles.swarm import operations as swarm
from groundcrew.settings import settings_for

loaded = settings_for(host)
builder = images.first_manager(inventory)
leader = settings_for(inventory.get_host(builder))

for name in host.loop(images.asked(inventory)):
    item = images.wanted(name, leader)
    swarm.image(name=f"{name}: image", app=name, request=item.image, builder=builder)
