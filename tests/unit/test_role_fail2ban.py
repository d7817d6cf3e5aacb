from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from groundcrew.entries import Absent, File
from groundcrew.roles.fail2ban.builders import FILTER, JAIL, entries, services
from groundcrew.roles.fail2ban.settings import Fail2banSettings


def jail(**settings: object) -> str:
    found = entries(Fail2banSettings.model_validate(settings))
    [file] = [item for item in found if isinstance(item, File) and item.path == JAIL]
    return file.data.decode()


def test_the_jail_reads_the_journal_and_spares_who_is_logged_in() -> None:
    text = jail(max_retry=3, ignore=["192.0.2.7", "2001:db8::/32"])
    assert "\nbackend = systemd\n" in text
    assert "\nmaxretry = 3\n" in text
    assert "\nignoreip = 127.0.0.0/8 ::1 192.0.2.7/32 2001:db8::/32\n" in text
    assert "\nignorecommand = /usr/local/sbin/groundcrew-logged-in <ip>\n" in text


def test_the_jail_has_a_filter_of_its_own() -> None:
    [stem] = [
        Path(item.path).stem
        for item in entries(Fail2banSettings())
        if isinstance(item, File) and item.path == FILTER
    ]
    assert f"\nfilter = {stem}\n" in jail()
    assert services(Fail2banSettings())[0].files == (JAIL, FILTER)


def test_off_takes_the_jail_away() -> None:
    settings = Fail2banSettings(enabled=False)
    assert all(isinstance(item, Absent) for item in entries(settings))
    assert services(settings) == []


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValidationError):
        Fail2banSettings(ignore=("office",))
