from __future__ import annotations

from groundcrew.accounts import Group, User, commands
from groundcrew.facts.accounts import SEPARATOR, Accounts, AccountStates

OUTPUT = [
    "root:x:0:0:root:/root:/bin/bash",
    "shop:x:998:998::/srv/shop:/usr/sbin/nologin",
    SEPARATOR,
    "root:x:0:",
    "www-data:x:33:shop",
    "shop:x:998:",
]
SHOP = User("shop", system=True, home="/srv/shop", shell="/usr/sbin/nologin", groups=("www-data",))


def states() -> AccountStates:
    return Accounts().process(OUTPUT)


def test_what_exists_as_wanted_needs_no_command() -> None:
    assert commands([Group("www-data", members=("shop",))], [SHOP], states()) == []


def test_new_accounts_are_made_groups_first_memberships_last() -> None:
    groups = [Group("proxy", members=("www-data",))]
    user = User("blog", system=True, home="/srv/blog", shell="/usr/sbin/nologin", groups=("proxy",))
    assert commands(groups, [user], states()) == [
        "groupadd --system proxy",
        "useradd --system --no-create-home --home-dir=/srv/blog --shell=/usr/sbin/nologin "
        "--comment= --user-group blog",
        "gpasswd --add www-data proxy",
        "gpasswd --add blog proxy",
    ]


def test_a_person_gets_a_home_and_an_existing_group_of_the_same_name_is_used() -> None:
    user = User("deploy", system=False, home="/home/deploy", shell="/bin/bash", comment="Deploys")
    assert commands([Group("deploy", system=False)], [user], states()) == [
        "test -x /bin/bash || { echo 'no shell /bin/bash on this host' >&2; exit 1; }",
        "groupadd deploy",
        "useradd --create-home --home-dir=/home/deploy --shell=/bin/bash --comment=Deploys "
        "--gid=deploy deploy",
    ]


def test_only_what_differs_is_modified() -> None:
    user = User("shop", system=True, home="/srv/shop", shell="/bin/sh")
    assert commands([], [user], states()) == ["usermod --shell=/bin/sh shop"]
