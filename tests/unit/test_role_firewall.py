from __future__ import annotations

import pytest
from pydantic import ValidationError

from groundcrew.facts.nftables import SEPARATOR, Nftables, NftablesState
from groundcrew.roles.firewall.builders import (
    LockoutError,
    Session,
    open_ports,
    parse_session,
    ruleset,
)
from groundcrew.roles.firewall.settings import FirewallSettings

HTTP = {"ports": [80]}


def rules(session: Session | None = None, **settings: object) -> str:
    return ruleset(FirewallSettings.model_validate(settings), [22], session)


def test_default_deny_with_ssh_open_and_nothing_else() -> None:
    text = rules()
    assert "hook input priority filter; policy drop;" in text
    assert 'tcp dport { 22 } accept comment "ssh"' in text
    assert text.count('accept comment "') == 1
    assert text.index("established : accept") < text.index('comment "ssh"')


def test_only_our_own_table_is_replaced() -> None:
    text = rules()
    assert "flush" not in text
    assert text.index("table inet groundcrew\ndelete table inet groundcrew") < text.index("chain")


def test_services_are_open_unless_null() -> None:
    text = rules(allow={"http": HTTP, "https": None})
    assert 'tcp dport { 80 } accept comment "http"' in text
    assert "https" not in text


def test_sources_get_a_rule_per_address_family() -> None:
    assert open_ports("dns", "udp", [53, "8000-8010"], ["10.0.0.0/8", "2001:db8::/32"]) == [
        'ip saddr { 10.0.0.0/8 } udp dport { 53, 8000-8010 } accept comment "dns"',
        'ip6 saddr { 2001:db8::/32 } udp dport { 53, 8000-8010 } accept comment "dns"',
    ]


def test_the_port_in_use_by_the_session_stays_open() -> None:
    session = parse_session("192.0.2.7 51000 198.51.100.1 2222")
    assert session == Session("192.0.2.7", 2222)
    assert "tcp dport { 22, 2222 } accept" in rules(session)


@pytest.mark.parametrize("client", ["192.0.2.7", "::ffff:192.0.2.7"])
def test_ssh_from_must_hold_the_operators_own_address(client: str) -> None:
    session = Session(client, 22)
    assert "ip saddr { 192.0.2.0/24 } tcp dport { 22 }" in rules(session, ssh_from=["192.0.2.9/24"])
    with pytest.raises(LockoutError, match=r"does not include 192\.0\.2\.7"):
        rules(session, ssh_from=["10.0.0.0/8"])


def test_a_host_without_any_known_ssh_port_is_refused() -> None:
    with pytest.raises(LockoutError, match="no port"):
        ruleset(FirewallSettings(), [], None)


def test_forwarding_is_left_to_others_unless_set() -> None:
    assert "hook forward" not in rules()
    assert "hook forward priority filter; policy drop" in rules(forward="drop")
    assert "hook output" not in rules()
    assert "hook output priority filter; policy drop" in rules(output="drop")


@pytest.mark.parametrize("ports", [[0], [65536], ["90-80"], ["http"], []])
def test_ports_that_do_not_exist_are_refused(ports: list[object]) -> None:
    with pytest.raises(ValidationError):
        FirewallSettings.model_validate({"allow": {"x": {"ports": ports}}})


def test_the_state_of_a_table() -> None:
    output = ["abc  -", SEPARATOR, "abc  -", SEPARATOR, "UnitFileState=enabled"]
    assert Nftables().process(output) == NftablesState("abc  -", "abc  -", True)
    assert Nftables().process(["abc  -", SEPARATOR, SEPARATOR, ""]) == NftablesState("abc  -")


def test_new_ssh_connections_are_limited_per_address() -> None:
    text = ruleset(FirewallSettings(ssh_rate=3), [22, 2222], None)
    assert "tcp dport { 22, 2222 } update @ssh_clients4 { ip saddr limit rate over 3/second" in text
    assert (
        "update @ssh_clients6 { ip6 saddr limit rate over 3/second burst 3 packets } drop" in text
    )
    assert "ssh_clients" not in ruleset(FirewallSettings(ssh_rate=None), [22], None)
