"""Accounts of an application that are somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from groundcrew.accounts import commands
from groundcrew.facts.accounts import AccountStates, parse
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.app.builders import claim
from groundcrew.takeover import Claim

OURS = (
    "shop:x:998:998::/srv/shop/shared/home:/usr/sbin/nologin",
    "shop-build:x:997:997::/srv/shop/cache:/usr/sbin/nologin",
)
GROUPS = ("root:x:0:", "shop:x:998:", "shop-build:x:997:shop", "shop-web:x:996:www-data")
PERSON = "shop:x:2015:2015:Shop:/home/shop:/bin/bash"
TOLD = "user shop (uid 2015, home /home/shop, shell /bin/bash"
NEXT = (
    ": no run has made that; choose another name for the application, or take it over with "
    "`adopt: true` in apps/shop.yml"
)


def claimed(**settings: Any) -> Claim:
    source = {"source": {"directory": "x"}, "entry": "a:b"}
    return claim("shop", AppSettings.model_validate({**source, **settings}))


def states(passwd: tuple[str, ...] = (), group: tuple[str, ...] = ()) -> AccountStates:
    return parse(["root:x:0:0:root:/root:/bin/bash", *passwd], ["root:x:0:", *group])


@pytest.mark.parametrize(
    ("passwd", "group"),
    [
        ((), ()),
        (OURS, GROUPS),
        # What somebody has changed about it since, the run puts right.
        ((OURS[0].replace("/usr/sbin/nologin", "/bin/bash"), OURS[1]), GROUPS),
        # Taken over before.
        (("shop:x:2015:2015::/srv/shop/shared/home:/usr/sbin/nologin",), ("shop:x:2015:",)),
        # Others may be members of an application's group.
        (OURS, ("shop:x:998:deploy", "shop-web:x:996:www-data,monitor")),
        ((), ("shop:x:998:", "shop-web:x:996:")),
    ],
)
def test_what_a_run_has_made_is_its_own(passwd: tuple[str, ...], group: tuple[str, ...]) -> None:
    assert claimed().refusal(states(passwd, group)) == ""


@pytest.mark.parametrize(
    ("passwd", "group", "told"),
    [
        ((PERSON,), ("shop:x:2015:",), f"{TOLD}) and group shop (gid 2015)"),
        ((PERSON,), ("sudo:x:27:shop", "shop:x:2015:"), f"{TOLD}, groups sudo) and group shop"),
        (
            ("shop:x:150:150::/var/lib/shop:/usr/sbin/nologin",),
            (),
            "user shop (uid 150, home /var/lib/shop, shell /usr/sbin/nologin)",
        ),
        (
            ("shop-build:x:1001:1001::/home/shop-build:",),
            ("shop-build:x:1001:",),
            "user shop-build (uid 1001, home /home/shop-build, shell /bin/sh) and group shop-build",
        ),
        (("shop-web:x:150:33::/:/bin/false",), (), "user shop-web (uid 150, home /, shell /bin/f"),
        ((), ("shop-web:x:1001:alice,bob",), "group shop-web (gid 1001, members alice, bob)"),
        ((), ("shop:x:1001:",), "group shop (gid 1001)"),
    ],
)
def test_what_is_somebody_else_s_is_refused_unless_it_may_be_taken_over(
    passwd: tuple[str, ...], group: tuple[str, ...], told: str
) -> None:
    accounts = states(passwd, group)
    refusal = claimed().refusal(accounts)
    assert refusal.startswith(told)
    assert refusal.endswith(NEXT)
    assert claimed(adopt=True).refusal(accounts) == ""


@pytest.mark.parametrize(
    ("passwd", "group", "why"),
    [
        (("shop:x:0:0::/srv/shop/shared/home:/bin/bash",), (), "uid 0 is one of Debian's own"),
        (("shop:x:33:33::/home/shop:/bin/sh",), (), "uid 33 is one of Debian's own"),
        (
            (PERSON, "boss:x:2015:2015::/home/boss:/bin/bash"),
            (),
            "boss has uid 2015 too",
        ),
        ((), ("shop:x:27:",), "gid 27 is one of Debian's own"),
    ],
)
def test_what_would_be_more_than_an_application_is_never_taken_over(
    passwd: tuple[str, ...], group: tuple[str, ...], why: str
) -> None:
    for adopt in (False, True):
        refusal = claimed(adopt=adopt).refusal(states(passwd, group))
        assert refusal.endswith(f": {why}; choose another name for the application")


def test_who_is_taken_over_keeps_no_login_and_no_group() -> None:
    adopting = claimed(adopt=True)
    accounts = states((PERSON,), ("sudo:x:27:shop", "shop:x:2015:"))
    assert adopting.adopted(accounts) == {"shop"}
    made = commands(adopting.groups, adopting.users, accounts, adopting.adopted(accounts))
    assert made[:2] == ["groupadd --system shop-build", "groupadd --system shop-web"]
    assert made[2] == (
        "usermod --lock --groups= --home=/srv/shop/shared/home --shell=/usr/sbin/nologin "
        "--comment= shop"
    )


def test_a_manifest_that_may_take_over_leaves_its_own_account_alone() -> None:
    adopting = claimed(adopt=True)
    accounts = states(OURS, (*GROUPS, "redis:x:110:shop"))
    assert adopting.adopted(accounts) == frozenset()
    assert commands(adopting.groups, adopting.users, accounts) == []
