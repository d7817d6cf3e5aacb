"""The lab's key and its known_hosts."""

from __future__ import annotations

import io

import paramiko

from groundcrew.lab.keys import generate, merge_known_hosts


def test_paramiko_reads_the_key() -> None:
    private, public = generate()
    key = paramiko.Ed25519Key(file_obj=io.StringIO(private))
    assert public == f"ssh-ed25519 {key.get_base64()}"


def test_two_keys_differ() -> None:
    assert generate() != generate()


def test_a_host_is_added_without_the_comment_of_its_keys() -> None:
    text = merge_known_hosts("", ["web1", "172.18.0.2"], ["ssh-ed25519 AAAA root@web1", ""])
    assert text == "172.18.0.2,web1 ssh-ed25519 AAAA\n"


def test_lines_that_name_the_host_or_its_address_are_replaced() -> None:
    before = (
        "172.18.0.2,web1 ssh-ed25519 OLD\n"
        "172.18.0.3,web2 ssh-ed25519 REUSED\n"
        "172.18.0.30,web10 ssh-ed25519 OTHER\n"
    )
    after = merge_known_hosts(before, ["web1", "172.18.0.3"], ["ssh-ed25519 NEW"])
    assert after == "172.18.0.30,web10 ssh-ed25519 OTHER\n172.18.0.3,web1 ssh-ed25519 NEW\n"


def test_no_keys_removes_the_host() -> None:
    assert merge_known_hosts("172.18.0.2,web1 ssh-ed25519 A\n", ["web1"], []) == ""
