"""The balancer in front of several hosts."""

from groundcrew.roles.haproxy.deploy import apply
from groundcrew.roles.haproxy.handing_over import hand_over, stopped
from groundcrew.roles.haproxy.rolling import roll
from groundcrew.roles.haproxy.settings import HaproxySettings

__all__ = ["HaproxySettings", "apply", "hand_over", "roll", "stopped"]
