"""Makes replicas of PostgreSQL and Redis on a host the primaries.

pyinfra inventory/prod.py playbooks/promote.py -y --data host=NAME [--data part=redis.queue]
    [--limit NAME]

Without `--limit`, the primary first stops accepting writes, and nothing is lost. With `--limit` and
the replica's name, the replica is promoted alone, because its primary is lost. The run ends with
what to change in the inventory.
"""

from pyinfra import host, inventory, state

from groundcrew.bindings import promotion
from groundcrew.roles import arguments
from groundcrew.settings import settings_for

for link in host.loop(arguments.promoted(inventory, state)):
    if host.name == link.replica:
        promotion.promote(
            name=f"{link.service} | {link.replica} becomes the primary",
            link=link,
            how=settings_for(host).settings.provider(link.role).promotion(link),
            planned=state.is_host_in_limit(inventory.get_host(link.provider)),
        )
