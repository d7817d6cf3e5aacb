"""Docker Engine and Swarm: the same applications as containers, on hosts of the inventory."""

from groundcrew.roles.swarm.settings import SwarmSettings

__all__ = ["SwarmSettings"]
