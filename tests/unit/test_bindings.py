"""Which host provides what an application needs, and what the application is told."""

from __future__ import annotations

from typing import Any

import pytest

from groundcrew.bindings.endpoint import Login, url
from groundcrew.manifest.need import Need
from groundcrew.roles import arguments
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import SettingsError
from groundcrew.settings.bindings import external, place_of
from tests.unit.project import Project

NEEDS = "needs: {database: postgresql}\n"


@pytest.fixture
def project(tmp_path: Any) -> Project:
    return Project(tmp_path)


def one_host(project: Project, more: str = NEEDS) -> HostSettings:
    project.hosts = {"web1": (["web", "postgresql"], {})}
    project.app(more=more)
    return project.settings()


def two_hosts(project: Project, more: str = NEEDS) -> None:
    project.hosts = {
        "web1": (["web"], {"ssh_hostname": "192.0.2.1"}),
        "db1": (["postgresql"], {"ssh_hostname": "192.0.2.9", "address": "10.0.0.9"}),
    }
    project.app(more=more)


def test_the_own_host_provides_it_over_its_socket(project: Project) -> None:
    settings = one_host(project)
    bound = settings.app["shop"].bound
    [binding] = settings.place.provides
    assert (binding.account, binding.database, binding.addresses) == (
        "shop_database",
        "shop_database",
        (),
    )
    user, password = (item.token for item in bound.generated)
    assert bound.variables == {
        "DATABASE_URL": f"postgresql://{user}:{password}@/shop_database?host=/run/postgresql"
    }
    assert [item.store for item in bound.generated] == [
        "/var/lib/groundcrew/credentials/postgresql/shop.database/active/user",
        "/var/lib/groundcrew/credentials/postgresql/shop.database/active/password",
    ]
    assert bound.after == ("postgresql.service",)
    assert not bound.networks
    assert not bound.awaited
    assert "postgresql" in settings.brought.packages
    [port] = [item for item in settings.brought.ports if item.number == 5432]
    assert port.opened is None
    assert not port.public


def test_over_tcp_for_libraries_that_know_no_sockets(project: Project) -> None:
    settings = one_host(project, "needs: {database: {service: postgresql, connect: tcp}}\n")
    [told] = settings.app["shop"].bound.variables.values()
    assert told.endswith("@127.0.0.1:5432/shop_database")


def test_another_host_provides_it_over_tls(project: Project) -> None:
    two_hosts(project)
    loaded = project.load()
    web, db = loaded["web1"].settings, loaded["db1"].settings
    bound = web.app["shop"].bound
    [told] = bound.variables.values()
    assert told.endswith(
        "@10.0.0.9:5432/shop_database?sslmode=verify-full"
        "&sslrootcert=/etc/groundcrew/authorities/postgresql-db1.pem"
    )
    assert bound.networks == ("10.0.0.9",)
    assert bound.awaited == {"10.0.0.9:5432": "db1"}
    assert not web.place.provides
    assert [item.provider for item in web.place.uses] == ["db1"]
    [port] = [item for item in db.brought.ports if item.number == 5432]
    assert port.opened == ("192.0.2.1",)
    assert "postgresql" not in web.brought.packages


def test_variables_files_and_templates(project: Project) -> None:
    project.write("db.ini.j2", "host={{ needs.database.host }} name={{ needs.database.name }}")
    settings = one_host(
        project,
        """\
needs:
  database:
    service: postgresql
    scheme: postgresql+psycopg
    name: shop
    query: {application_name: the shop}
    env: {DB: url, WHERE: "{host}:{port}", DB_PASSWORD: password}
    files: {secrets/password: password}
files: {db.ini: {template: db.ini.j2}}
required: [DB]
""",
    )
    bound = settings.app["shop"].bound
    assert bound.variables["DB"].startswith("postgresql+psycopg://binding")
    assert bound.variables["DB"].endswith("/shop?host=/run/postgresql&application_name=the%20shop")
    assert bound.variables["WHERE"] == "/run/postgresql:5432"
    assert bound.files == {"secrets/password": bound.variables["DB_PASSWORD"]}
    assert bound.parts["database"]["name"] == "shop"


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ("needs: {database: postgresq}", "service", 'no role provides "postgresq"; did you mean'),
        ("needs: {database: {service: postgresql, host: db2}}", "host", 'no host "db2"'),
        ("needs: {database: {service: postgresql, host: web1}}", "host", "is not in the inventory"),
        ("needs: {database: postgresql.main}", "service", "db1 provides postgresql"),
    ],
)
def test_a_need_that_cannot_be_met(project: Project, more: str, key: str, message: str) -> None:
    two_hosts(project, f"{more}\n")
    layer, where, told = project.error()
    assert (layer, where) == ("apps/shop.yml", f"app.shop.needs.database.{key}")
    assert message in told


def test_nobody_provides_it(project: Project) -> None:
    project.app(more=NEEDS)
    assert project.error()[2] == (
        'no host provides postgresql: name one in the inventory, for example postgresql = ["web1"]'
    )


def test_several_provide_it(project: Project) -> None:
    two_hosts(project)
    project.hosts["db2"] = (["postgresql"], {"ssh_hostname": "192.0.2.10"})
    assert project.error()[1:] == (
        "app.shop.needs.database.host",
        "is required: db1, db2 provide postgresql",
    )
    project.app(text=(project.root / "apps/shop.yml").read_text().replace(
        "postgresql}", "{service: postgresql, host: db2}}"))  # fmt: skip
    assert project.load()["db2"].settings.place.provides


def test_a_name_that_nobody_resolves(project: Project) -> None:
    two_hosts(project)
    project.hosts["db1"] = (["postgresql"], {"ssh_hostname": "db1.invalid"})
    assert "set `address` of db1" in project.error()[2]


def test_two_logins_of_one_name(project: Project) -> None:
    project.hosts = {"web1": (["web", "postgresql"], {})}
    project.app("shop-a", text="source: {directory: src}\nentry: shop:app\ndomains: [a.test]\n"
                "needs: {b: postgresql}\n")  # fmt: skip
    project.app("shop", text="source: {directory: src}\nentry: shop:app\ndomains: [b.test]\n"
                "needs: {a-b: postgresql}\n")  # fmt: skip
    assert "would be called like that of" in project.error()[2]


@pytest.mark.parametrize(
    ("need", "message"),
    [
        ("{}", "expected exactly one of: service, url"),
        ("{service: postgresql, url: {env: URL}}", "expected exactly one of: service, url"),
        ("{url: {env: URL}, name: shop}", "is for a `service`, not for a `url`"),
        ("{service: postgresql, env: {DB: adress}}", "expected one of: url, host"),
        ('{service: postgresql, env: {DB: "{adress}"}}', "in braces only: url, host"),
        ("{service: postgresql, name: postgres}", "is the name of something else"),
        ("{service: postgresql, name: '7'}", "begins with a letter"),
        ("{service: postgresql, prefix: shop}", "is for Redis only"),
    ],
)
def test_values_that_say_nothing(project: Project, need: str, message: str) -> None:
    project.hosts = {"web1": (["web", "postgresql"], {})}
    project.app(more=f"needs: {{database: {need}}}\n")
    assert message in project.error()[2]


def test_a_variable_that_is_set_twice(project: Project) -> None:
    project.hosts = {"web1": (["web", "postgresql"], {})}
    project.app(more=f"{NEEDS}env: {{DATABASE_URL: x}}\n")
    assert project.error()[1:] == (
        "app.shop.needs.database.env", "DATABASE_URL is set by env too",
    )  # fmt: skip


def test_a_service_outside_of_the_inventory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB", "mysql://shop:p%40ss@db.example.org/shop")
    project.app(more="needs: {database: {url: {env: SHOP_DB}, scheme: mysql+pymysql}}\n")
    settings = project.settings()
    bound = settings.app["shop"].bound
    assert bound.variables == {"DATABASE_URL": "mysql+pymysql://shop:p%40ss@db.example.org/shop"}
    assert bound.parts["database"]["password"] == "p@ss"
    assert settings.brought.needs == ["db.example.org:3306"]
    assert "p%40ss" not in repr(project.load())
    monkeypatch.setenv("SHOP_DB", "not a url")
    assert project.error()[2].startswith("expected a URL")
    monkeypatch.delenv("SHOP_DB")
    assert "SHOP_DB is not set" in project.error()[2]


def test_parts_of_urls() -> None:
    assert place_of("redis://[2001:db8::1]/0") == "[2001:db8::1]:6379"
    assert place_of("odd://host/0") == ""
    need = Need.model_validate({"url": {"env": "X"}, "query": {"a": "b"}})
    assert external(need, "redis://h/0?x=y").parts["url"] == "redis://h/0?x=y&a=b"
    assert url("s", Login("a/b", "c:d"), "h:1", "n") == "s://a%2Fb:c%3Ad@h:1/n"


def test_hosts_with_databases_of_their_own_run_the_hooks_each(project: Project) -> None:
    project.hosts = {"web1": (["web", "postgresql"], {}), "web2": (["web", "postgresql"], {})}
    project.app(more=NEEDS)
    loaded = project.load()
    providers = [loaded[name].settings.app["shop"].bound.providers for name in ("web1", "web2")]
    assert providers == [("web1",), ("web2",)]
    project.hosts["web1"] = (["web", "postgresql"], {"address": "192.0.2.1"})
    project.hosts["web2"] = (["web"], {"address": "192.0.2.2"})
    assert project.load()["web2"].settings.app["shop"].bound.providers == ("web1",)


def test_the_release_follows_the_login_not_the_password(project: Project) -> None:
    first = one_host(project).app["shop"].bound
    assert first == project.settings().app["shop"].bound


def test_the_budget_is_refused_with_its_sum(project: Project) -> None:
    manifest = """\
server: {workers: 8, worker_class: gthread, threads: 4}
instances: 2
workers: {jobs: {command: work, instances: 3}}
timers: {night: {command: clean, schedule: daily}}
hooks: {release: [migrate]}
"""
    project.hosts = {"web1": (["web", "postgresql"], {})}
    project.app(more=NEEDS + manifest)
    layer, key, message = project.error()
    assert (layer, key) == ("group_data/all.py", "postgresql.max_connections")
    assert message == (
        "the applications can open 136 connections to postgresql on web1, which has 92 for them: "
        "shop on web1: server 16 x 4, twice while a release replaces another = 128; "
        "shop on web1: worker jobs 3 x 1, twice while a release replaces another = 6; "
        "shop on web1: timer night 1 x 1 = 1; shop on web1: release hooks 1 x 1 = 1. Raise "
        "postgresql.max_connections, or lower `pool` of the needs, workers or threads"
    )
    project.all = {"postgresql": {"max_connections": 144}}
    [budget] = project.settings().place.budgets
    assert budget.allowed == 136
    assert budget.refusal() is None


@pytest.mark.parametrize(
    ("server", "cpus", "most"),
    [
        ("{}", 4, 2 * 9),
        ("{worker_class: uvicorn}", 2, 2 * 2 * 15),
        ("{type: uvicorn, workers_max: 2}", 8, 2 * 2 * 15),
        ("{type: uwsgi, threads: 3}", 4, 2 * 4 * 3),
        ('{type: command, command: "serve {socket}"}', 4, 2 * 15),
    ],
)
def test_processes_that_follow_from_the_cpus(
    project: Project, server: str, cpus: int, most: int
) -> None:
    project.all = {"postgresql": {"max_connections": 1000}}
    [budget] = one_host(project, f"{NEEDS}server: {server}\n").place.budgets
    assert sum(line.connections for line in budget.lines(cpus, 4 << 30)) == most
    assert budget.depends_on_cpus == ("command" not in server)


def test_the_budget_of_all_hosts_together(project: Project) -> None:
    two_hosts(project, f"{NEEDS}server: {{workers: 20}}\n")
    project.hosts["web2"] = (["web"], {"ssh_hostname": "192.0.2.2"})
    project.hosts["web3"] = (["web"], {"ssh_hostname": "192.0.2.3"})
    assert "can open 120 connections to postgresql on db1" in project.error()[2]


def test_the_budget_names_the_key_of_the_instance(project: Project) -> None:
    project.hosts = {"web1": (["web", "redis"], {})}
    project.all = {"redis": {"instances": {"cache": {"maxclients": 20}}}}
    project.app(more="needs: {cache: {service: redis.cache, pool: 6}}\nserver: {workers: 1}\n")
    _, key, message = project.error()
    assert key == "redis.instances.cache.maxclients"
    assert "Raise redis.instances.cache.maxclients, or lower" in message


def test_a_database_in_use_is_not_purged(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application has moved from web2 to web1, and is removed from web2."""
    two_hosts(project)
    project.groups["web"]["apps"] = []
    project.hosts["web1"][1]["apps"] = ["shop"]
    project.hosts["web2"] = (["web"], {"ssh_hostname": "192.0.2.2"})
    project.data = {"app": "shop", "purge": "shop"}

    def removed(*names: str) -> str:
        loaded = project.load()
        monkeypatch.setattr(arguments, "settings_for", lambda host: loaded[host.name])
        inventory = project.inventory()
        return arguments.removed_app(inventory.get_host(name) for name in names)

    assert removed("web2") == "shop"
    with pytest.raises(SettingsError, match="has its databases here: leave db1 out with --limit"):
        removed("web2", "db1")
    project.hosts["web1"][1]["apps"] = []
    assert removed("web1", "web2", "db1") == "shop"
