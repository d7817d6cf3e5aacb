"""What monitoring warns of on balancers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.metrics import HOST, HOSTS, Rule
from groundcrew.roles.haproxy.settings import HaproxySettings

MINUTE = 60
APPS = 'proxy=~"app-.*"'
NAME = "{{ $labels.server }} gets no requests of {{ $labels.proxy }} from {{ $labels.instance }}"


def rules(settings: HaproxySettings) -> Iterator[Rule]:
    """Hosts answer their checks, each application has one that does, and exactly one balancer holds
    the shared address."""
    yield Rule(
        "BalancerHostDown",
        f'haproxy_server_status{{{APPS},state="DOWN",{HOSTS}}} == 1',
        MINUTE,
        "warning",
        f"{NAME}: it does not answer its checks",
        "playbooks/status.py tells what the last check has got.",
    )
    yield Rule(
        "BalancerWithoutHost",
        f"haproxy_backend_active_servers{{{APPS},{HOSTS}}} == 0",
        0,
        "critical",
        "{{ $labels.proxy }} has no host that answers the checks of {{ $labels.instance }}",
        "Requests go to all of its hosts nevertheless: playbooks/status.py tells what the last "
        "checks have got.",
    )
    if settings.address is None:
        return
    held = f'node_network_address_info{{job="{HOST}",address="{settings.address}",{HOSTS}}}'
    # Monitoring may have lost the balancers themselves, of which other alerts tell.
    measured = f'count(up{{job="{HOST}",{HOSTS}}} == 1) > 0'
    yield Rule(
        "SharedAddressNotHeld",
        f"absent({held}) and on () ({measured})",
        MINUTE,
        "critical",
        f"no balancer holds {settings.address}",
        "playbooks/verify.py on the balancers tells why none can take it.",
    )
    yield Rule(
        "SharedAddressHeldTwice",
        f"count({held}) > 1",
        MINUTE,
        "critical",
        f"{settings.address} is held by {{{{ $value }}}} balancers",
        "They do not hear each other: haproxy.router_id, or a packet filter between them.",
    )
