from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from groundcrew.entries import Absent, File
from groundcrew.roles.fail2ban.builders import (
    COUNT,
    COUNT_BAN,
    COUNTED,
    FILTER,
    JAIL,
    entries,
    services,
)
from groundcrew.roles.fail2ban.settings import Fail2banSettings
from groundcrew.templates import render


def jail(**settings: object) -> str:
    files = entries(Fail2banSettings.model_validate(settings))
    [file] = [item for item in files if isinstance(item, File) and item.path == JAIL]
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


def test_bans_are_counted_where_somebody_reads_the_count() -> None:
    written = entries(Fail2banSettings(), monitored=True)
    paths = {item.path: item for item in written if isinstance(item, File)}
    assert {COUNT, COUNT_BAN} <= paths.keys()
    assert f"\naction = %(action_)s\n         {COUNTED}\n" in paths[JAIL].data.decode()
    assert COUNTED not in jail()


def test_the_count_grows_and_keeps_other_jails(tmp_path: Path) -> None:
    text = render(
        "fail2ban/count-ban.sh.j2", file=tmp_path / "fail2ban.prom", lock=tmp_path / "lock"
    )
    for jail_name, more in (("sshd", 0), ("web", 1), ("sshd", 1), ("sshd", 1)):
        subprocess.run(["sh", "-c", text, "sh", jail_name, str(more)], check=True)
    assert (tmp_path / "fail2ban.prom").read_text().splitlines() == [
        'groundcrew_bans_total{jail="web"} 1',
        'groundcrew_bans_total{jail="sshd"} 2',
    ]
    strange = subprocess.run(["sh", "-c", text, "sh", 'x"} 9', "1"], check=False)
    assert strange.returncode == 1


def test_off_takes_the_jail_away() -> None:
    settings = Fail2banSettings(enabled=False)
    assert all(isinstance(item, Absent) for item in entries(settings))
    assert services(settings) == []


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValidationError):
        Fail2banSettings(ignore=("office",))
