"""Bad input: every kind is told with key, layer, expectation and hint, all at once."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from groundcrew.settings import SettingsError
from tests.unit.project import SHOP, Project

MANIFEST = "apps/shop.yml"


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ("prot: 81", "prot", 'unknown key; did you mean "port"?'),
        ("server: {wokers: 4}", "server.wokers", 'unknown key; did you mean "workers"?'),
        ("preload: true", "preload", 'unknown key; did you mean "server.preload"?'),
        ("server: {workers: true}", "server.workers", "expected a number or 'auto', got true"),
        (
            "server: {workers: four}",
            "server.workers",
            "expected an integer or 'auto', got \"four\"",
        ),
        ("server: {timeout: -1}", "server.timeout", "expected at least 1, got -1"),
        ("server: {timeout: 30s}", "server.timeout", 'expected an integer, got "30s"'),
        ("server: {timeout: 1.5}", "server.timeout", "expected an integer, got 1.5"),
        ("server: {timeout: true}", "server.timeout", "expected a number, got true"),
        ("server: {timeout:}", "server.timeout", "expected an integer, got null"),
        ("server: {preload: maybe}", "server.preload", 'expected true or false, got "maybe"'),
        (
            "server: {worker_class: gthreads}",
            "server.worker_class",
            "expected 'sync', 'gthread' or 'uvicorn', got \"gthreads\"",
        ),
        ("server: [4]", "server", "expected a mapping, got a list"),
        ("server: 4", "server", "expected a mapping, got 4"),
        ("description: {a: 1}", "description", "expected a string, got a mapping"),
        ("description: 1.10", "description", "expected a string, got 1.1; put it in quotes"),
        ("domains: shop.test", "domains", 'expected a list, got "shop.test"; put it in [ ]'),
        ("domains: {a: b}", "domains", "expected a list, got a mapping"),
        ("port: 0", "port", "expected at least 1, got 0"),
        ("port: 70000", "port", "expected at most 65535, got 70000"),
        ("shared: [../up]", "shared.0", "expected a relative path that stays inside"),
        ("checks: [{status: 200}]", "checks.0.path", "is required"),
        (
            "env: {A-B: 1}",
            "env.A-B",
            "expected text that matches ^[A-Za-z_][A-Za-z0-9_]*$ as key",
        ),
        (
            "sandbox: {PrivateTmp: true}",
            "sandbox.PrivateTmp",
            "expected a string or false, got true; put it in quotes",
        ),
    ],
)
def test_a_wrong_value_in_a_manifest(
    project: Project, written: str, key: str, message: str
) -> None:
    project.app(text=SHOP.replace("domains: [shop.test]\n", "") + written + "\n")
    assert project.error() == (MANIFEST, f"app.shop.{key}", message)


@pytest.mark.parametrize(
    ("data", "key", "message"),
    [
        ({"nginz": {}}, "nginz", 'unknown key; did you mean "nginx"?'),
        ({"nginx": {"gzip_lvl": 1}}, "nginx.gzip_lvl", 'unknown key; did you mean "gzip_level"?'),
        ({"nginx": []}, "nginx", "expected a mapping, got a list"),
        (
            {"firewall": {"allow": {"dns": {"ports": [53], "form": []}}}},
            "firewall.allow.dns.form",
            'unknown key; did you mean "from"?',
        ),
        ({"apps": "shop"}, "apps", 'expected a list, got "shop"; put it in [ ]'),
        ({"apps": [1]}, "apps.0", "expected a string, got 1; put it in quotes"),
        ({"app": ["shop"]}, "app", "expected a mapping, got a list"),
        ({"app": {"shop": "x"}}, "app.shop", 'expected a mapping, got "x"'),
        (
            {"app": {"shpo": {"port": 81}}},
            "app.shpo",
            'no application of this name; did you mean "shop"?',
        ),
        (
            {"app": {"shop": {"env": {"A": {1, 2}}}}},
            "app.shop.env.A",
            "input was not a valid JSON value",
        ),
    ],
)
def test_a_wrong_value_in_group_data(
    project: Project, data: dict[str, Any], key: str, message: str
) -> None:
    project.app()
    project.groups["late"] = data
    project.hosts["web1"] = (["web", "late"], {})
    assert project.error() == ("inventory, group late", key, message)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("root_process", "flase", "true or false"),
        ("root_process", 0, "true or false"),
        ("ssh_port", "22x", "a number from 1 to 65535"),
        ("ssh_port", 70000, "a number from 1 to 65535"),
        ("ssh_port", True, "a number from 1 to 65535"),
        ("ssh_user", ["root"], "the name of a user"),
        ("bootstrap_user", "-oProxyCommand=x", "the name of a user"),
    ],
)
def test_a_wrong_value_of_a_connection(
    project: Project, key: str, value: object, expected: str
) -> None:
    project.hosts["web2"] = (["web"], {key: value})
    message = f"expected {expected}, got {value!r}"
    assert project.error() == ("inventory, host web2", key, message)
    # A stronger layer replaces it.
    project.data = {key: None}
    assert project.load().keys() == {"web1", "web2"}


def test_a_wrong_value_of_a_connection_in_group_data_and_on_the_command_line(
    project: Project,
) -> None:
    project.groups["web"]["root_process"] = "flase"
    message = "expected true or false, got 'flase'"
    assert project.error() == ("inventory, group web", "root_process", message)
    project.data = {"root_process": "maybe"}
    message = "expected true or false, got 'maybe'"
    assert project.error() == ("--data", "root_process", message)


@pytest.mark.parametrize(
    "values",
    [
        {"root_process": "no", "ssh_port": "2222", "ssh_user": "ops", "bootstrap_user": ""},
        {"root_process": None, "ssh_port": 0, "ssh_user": "ops@corp.example"},
        {"root_process": True, "ssh_port": "", "ssh_user": "CORP\\ops", "bootstrap_user": False},
        {"ssh_port": " 22", "ssh_user": "ops@web1@bastion", "bootstrap_user": "admin:web1"},
    ],
)
def test_values_of_a_connection_that_are_right(project: Project, values: dict[str, Any]) -> None:
    project.hosts["web1"] = (["web"], values)
    project.load()


def test_a_wrong_value_on_the_command_line(project: Project) -> None:
    project.app()
    project.data = {"app.shop.server.wokers": 4}
    assert project.error() == (
        "--data",
        "app.shop.server.wokers",
        'unknown key; did you mean "workers"?',
    )


def test_the_report_says_what_a_key_is_about(project: Project) -> None:
    project.app(more="server: {timeout: -1}\n")
    with pytest.raises(SettingsError) as caught:
        project.load()
    assert str(caught.value).splitlines() == [
        "groundcrew: 1 error in the settings; nothing was changed",
        "",
        "  apps/shop.yml: app.shop.server.timeout",
        "      expected at least 1, got -1",
        "      (Seconds of silence after which a worker is killed and replaced) on web1",
        "  Fix app.shop.server.timeout (apps/shop.yml), then run the same again.",
    ]


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ({"ssh": {"ports": [2222], "login_grace_time": 30}}, "ssh.ports", "any program of"),
        ({"nginx": {"proxy_protocol": True}}, "nginx.trusted_proxies", "proxy_protocol needs"),
        (
            {"mongodb": {"parameters": {"net.port": 1}}},
            "mongodb.parameters.net.port",
            "is set by port",
        ),
    ],
)
def test_values_that_contradict_each_other_are_told_at_one_key(
    project: Project, given: dict[str, Any], key: str, message: str
) -> None:
    project.app()
    project.groups["web"] |= given
    layer, name, told = project.error()
    assert (layer, name) == ("inventory, group web", key)
    assert message in told


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "is required"),
        ("source: {}", "expected one of: directory, git, pypi, file, url"),
        ("source: src", "expected one of: directory, git, pypi, file, url"),
        (
            "source: {directry: src}",
            'expected one of: directory, git, pypi, file, url; did you mean "directory"?',
        ),
    ],
)
def test_an_application_without_a_source(project: Project, source: str, message: str) -> None:
    project.app(text=f"entry: shop:app\n{source}\n")
    assert project.error() == (MANIFEST, "app.shop.source", message)


def test_a_key_of_another_kind_of_source(project: Project) -> None:
    project.app(text="entry: shop:app\nsource: {directory: src, ref: v1}\n")
    layer, key, message = project.error()
    assert (layer, key) == (MANIFEST, "app.shop.source.ref")
    assert message.startswith("unknown key")


def test_files_that_a_manifest_names_must_be_there(project: Project) -> None:
    project.app(text="entry: a:b\nsource: {directory: gone}\n")
    project.app("two", text="entry: a:b\nport: 81\nsource: {directory: src}\nrequirements: r.txt\n")
    project.app("ten", text="entry: a:b\nport: 83\nsource: {directory: src}\napp_dir: backend\n")
    project.app("six", text="entry: a:b\nport: 82\nsource: {directory: src}\nlock: six.lock\n")
    assert project.errors() == [
        (MANIFEST, "app.shop.source.directory", f"no directory {project.root}/gone"),
        ("apps/six.yml", "app.six.lock", f"no file {project.root}/six.lock"),
        ("apps/ten.yml", "app.ten.app_dir", f"no directory {project.root}/src/backend"),
        ("apps/two.yml", "app.two.requirements", f"no file {project.root}/src/r.txt"),
    ]


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("source: {file: gone.whl}", "source.file", "no file ROOT/gone.whl"),
        ("source: {file: app.py}", "source.file", "expected a name that ends with one of: .whl"),
        (
            "source: {url: 'https://a.test/a.whl?x=1'}",
            "source.sha256",
            "is required",
        ),
        (
            "source: {git: 'git@a.test:a', ref: v1, deploy_key: key}",
            "source.deploy_key",
            "no file ROOT/key",
        ),
        (
            "source: {pypi: shop, version: '1'}\nrequirements: pyproject.toml",
            "requirements",
            "a package from an index brings no requirements file; use lock",
        ),
        (
            "source: {pypi: shop, version: '1'}\napp_dir: backend",
            "app_dir",
            "a package from an index brings no source; leave it out",
        ),
        (
            "source: {pypi: shop, version: '1'}\nextras: [pg]",
            "extras",
            "write shop[pg] in source.pypi",
        ),
        (
            "source: {file: a.whl}\ninstall: true",
            "install",
            "a wheel is installed as it is",
        ),
        (
            "source: {directory: src}\npython: 3.12",
            "python",
            "expected a string, got 3.12; put it in",
        ),
        ("source: {directory: src}\npython: '4'", "python", "expected text that matches"),
        (
            "source: {directory: src}\nexclude_newer: 2026-13-01",
            "exclude_newer",
            "month must be in",
        ),
        ("source: {directory: src}\nbuild_apt: [-y]", "build_apt.0", "expected text that matches"),
    ],
)
def test_what_a_manifest_says_of_its_source(
    project: Project, text: str, key: str, message: str
) -> None:
    project.write("a.whl", "")
    project.app(text=f"entry: a:b\n{text}\n")
    layer, name, told = project.error()
    assert (layer, name) == (MANIFEST, f"app.shop.{key}")
    assert told.startswith(message.replace("ROOT", str(project.root)))


def test_two_applications_on_one_domain(project: Project) -> None:
    project.app()
    project.app("blog")
    assert project.error() == (
        "apps/blog.yml",
        "app.blog.domains",
        'domain "shop.test" on port 80 belongs to application "shop"',
    )
    project.all = {"app": {"blog": {"port": 81}}}
    project.settings()


def test_two_applications_on_one_port(project: Project) -> None:
    project.app()
    project.app("blog", text="source: {directory: src}\nentry: a:b\n")
    assert project.error() == (
        "apps/blog.yml",
        "app.blog.port",
        'without domains it takes every name on port 80, which application "shop" uses too; '
        "give it domains or another port",
    )
    project.all = {"app": {"blog": {"port": 81}}}
    project.settings()


def test_a_host_in_an_unknown_group(project: Project) -> None:
    project.hosts["web2"] = (["wbe"], {})
    assert project.error() == (
        "inventory",
        "wbe",
        'unknown group: there is no group_data/wbe.py; did you mean "web"?',
    )
    project.write("group_data/wbe.py", "")
    project.settings()


def test_an_inventory_without_hosts(project: Project) -> None:
    project.hosts = {}
    assert project.error() == ("inventory", "inventory", "holds no hosts")


def test_applications_on_a_host_that_is_not_in_group_web(project: Project) -> None:
    project.app()
    project.hosts["db1"] = (["db"], {"apps": ["shop"], "nginx": {"gzpi": True}})
    project.groups["db"] = {"base": {}, "servers": []}
    assert project.errors() == [
        (
            "inventory, host db1",
            "apps",
            'the host is not in group "web", which runs applications, nor in "worker"',
        ),
        ("inventory, host db1", "nginx.gzpi", 'unknown key; did you mean "gzip"?'),
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{env: GC_TEST_UNSET}", "required environment variable GC_TEST_UNSET is not set"),
        ("{env: GC_TEST_EMPTY}", "the secret is empty"),
        ("{file: gone.txt}", "ROOT/gone.txt cannot be read: No such file or directory"),
        ("{file: latin.txt}", "ROOT/latin.txt is not UTF-8 text"),
        ("{file: empty.txt}", "the secret is empty"),
        ("{command: 'echo no such entry >&2; exit 3'}",
         "the command ended with exit code 3: no such entry"),
        ("{command: 'exit 1'}", "the command ended with exit code 1: no error output"),
        ("{command: 'true'}", "the secret is empty"),
        ("{command: \"printf 'a\\\\0b'\"}",
         "the secret holds a NUL, which no environment variable can"),
        ("{env: HOME, file: x}", "expected exactly one of: env, file, command, stored, generate"),
        ("{}", "expected exactly one of: env, file, command, stored, generate"),
    ],
)  # fmt: skip
def test_a_missing_secret(
    project: Project, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.setenv("GC_TEST_EMPTY", "")
    project.write("latin.txt", "schlüssel".encode("latin-1"))
    project.write("empty.txt", "\n")
    project.app(more=f"secrets:\n  KEY: {source}\n")
    expected = message.replace("ROOT", str(project.root))
    assert project.error() == (MANIFEST, "app.shop.secrets.KEY", expected)


def test_a_secret_written_into_a_manifest_is_not_printed(project: Project) -> None:
    project.app(more="secrets: {KEY: hunter2, OTHER: {env: 4711}}\n")
    assert project.errors() == [
        (MANIFEST, "app.shop.secrets.KEY", "expected a mapping, got another value"),
        (MANIFEST, "app.shop.secrets.OTHER.env", "expected a string, got another value"),
    ]


def test_secrets_are_read_from_environment_file_and_command(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GC_TEST_KEY", " from env\n")
    project.write("key.txt", "from file\n\n")
    project.app(
        more="secrets: {A: {env: GC_TEST_KEY}, B: {file: key.txt}, C: {command: cat key.txt}}\n"
    )
    secrets = project.load()["web1"].secrets["shop"]
    assert {name: value.get_secret_value() for name, value in secrets.items()} == {
        "A": " from env\n",
        "B": "from file\n",
        "C": "from file\n",
    }
    assert "from" not in repr(secrets)


def test_a_command_runs_once_for_all_hosts_also_when_it_fails(project: Project) -> None:
    project.app(more="secrets: {KEY: {command: 'echo >> ran; exit 1'}}\n")
    project.hosts["web2"] = (["web"], {})
    project.error()
    assert (project.root / "ran").read_text() == "\n"


def test_a_required_variable_that_is_not_set(project: Project) -> None:
    project.app(more="env: {A: 1, B: null}\nsecrets: {C: {env: HOME}}\nrequired: [A, B, C, D]\n")
    assert [message for _, _, message in project.errors()] == [
        "B is required but set neither in env nor in secrets nor by needs",
        "D is required but set neither in env nor in secrets nor by needs",
    ]


def test_a_variable_that_is_set_twice(project: Project) -> None:
    project.app(more="env: {KEY: 1}\nsecrets: {KEY: {env: HOME}}\n")
    assert project.error() == (
        MANIFEST,
        "app.shop.secrets.KEY",
        "KEY is set in env too; remove one",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("source: [\n", "not valid YAML: expected the node content, but found '<stream end>' "
         "(line 2, column 1)"),
        ("a: 1\n\tb: 2\n", "not valid YAML: found character '\\t' that cannot start any token "
         "(line 2, column 1)"),
        ("a: 1\nb: 2\na: 3\n", 'not valid YAML: key "a" is given twice (line 3, column 1)'),
        ("a:\n  b: 2\n  b: 3\n", 'not valid YAML: key "b" is given twice (line 3, column 3)'),
        ("a: 1\n---\nb: 1\n", "not valid YAML: but found another document (line 2, column 1)"),
        ("? [a]\n: b\n", "not valid YAML: a key must be plain (line 1, column 3)"),
        ("a: !!python/name:os.system\n", "not valid YAML: could not determine a constructor for "
         "the tag 'tag:yaml.org,2002:python/name:os.system' (line 1, column 4)"),
        ("a: 1\nb: \x07\n", "not valid YAML: special characters are not allowed (line 2)"),
        ("", "expected a mapping of settings"),
        ("- a\n", "expected a mapping of settings"),
        ("just text\n", "expected a mapping of settings"),
        ("description: schön\n".encode("latin-1"), "cannot be read: not UTF-8 (byte 17)"),
    ],
)  # fmt: skip
def test_an_unreadable_manifest(project: Project, content: str | bytes, message: str) -> None:
    project.app()
    project.write(MANIFEST, content)
    assert project.error() == (MANIFEST, "app.shop", message)


def test_a_manifest_that_is_not_there(project: Project) -> None:
    project.app()
    project.groups["web"]["apps"] = ["shpo"]
    assert project.error() == ("apps/shpo.yml", "app.shpo", "no such manifest; did you mean "
                               '"shop"?')  # fmt: skip


def test_an_unreadable_manifest_beside_something_that_is_no_mapping(project: Project) -> None:
    project.app(text="- a")
    project.groups["web"]["app"] = 3
    assert [key for _, key, _ in project.errors()] == ["app.shop", "app"]


def test_an_override_for_an_unreadable_manifest_is_no_error_of_its_own(project: Project) -> None:
    project.app(text="- a")
    project.all = {"app": {"shop": {"port": 81}}}
    assert project.error()[1] == "app.shop"


def test_a_manifest_that_may_not_be_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.app()

    original = Path.read_text

    def refuse(path: Path, *arguments: Any, **more: Any) -> str:
        if path.name == "shop.yml":
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert project.error() == (MANIFEST, "app.shop", "cannot be read: Permission denied")


def test_a_manifest_that_is_a_directory(project: Project) -> None:
    project.app()
    (project.root / MANIFEST).unlink()
    (project.root / MANIFEST).mkdir()
    assert project.error() == (MANIFEST, "app.shop", "cannot be read: Is a directory")


@pytest.mark.parametrize(
    "name",
    ["root", "www-data", "nginx", "sudo", "adm", "disk", "docker", "shadow", "staff", "ssh", "sshd",
     "postgres", "redis", "mysql", "systemd-resolve"],
)  # fmt: skip
def test_a_reserved_name(project: Project, name: str) -> None:
    project.app(name)
    message = f'"{name}" is the name of a system user or directory; choose another'
    assert project.error() == (f"apps/{name}.yml", f"app.{name}", message)


@pytest.mark.parametrize("end", ["build", "web"])
def test_a_name_that_is_another_application_s_account(project: Project, end: str) -> None:
    project.app()
    project.app(f"shop-{end}")
    project.groups["web"]["apps"] = [f"shop-{end}"]
    message = f'"shop-{end}" is an account of the application "shop"; choose another'
    assert project.error() == (f"apps/shop-{end}.yml", f"app.shop-{end}", message)


@pytest.mark.parametrize("name", ["shop", "shop-build", "shop-web"])
def test_an_administrator_with_the_name_of_an_application_s_account(
    project: Project, name: str
) -> None:
    project.app()
    project.all = {"users": {"admins": {name: {}}}}
    assert project.error() == (
        "inventory, group all",
        f"users.admins.{name}",
        f'"{name}" is an account of the application "shop", which would become root without a '
        "password; choose another name for one of the two",
    )


def test_who_is_no_administrator_any_more_may_have_any_name(project: Project) -> None:
    project.app()
    project.all = {"users": {"admins": {"shop": None, "root": None}}}
    assert set(project.settings().users.admins) == {"deploy", "shop", "root"}


def test_an_application_of_another_host_takes_no_administrator_s_name(project: Project) -> None:
    project.app()
    project.hosts["web2"] = (["web"], {"apps": []})
    project.hosts["web2"][1]["users"] = {"admins": {"shop": {}}}
    assert "shop" in project.settings("web2").users.admins


@pytest.mark.parametrize(
    "name", ["root", "www-data", "nobody", "daemon", "sshd", "systemd-network", "_apt", "uwsgi",
             "postgres", "redis", "mysql", "sudo", "docker"],
)  # fmt: skip
def test_an_administrator_that_is_one_of_debian_s_accounts(project: Project, name: str) -> None:
    project.groups["web"]["users"] = {"admins": {name: {}}}
    assert project.error() == (
        "inventory, group web",
        f"users.admins.{name}",
        f'"{name}" is a system user or group of Debian, not a person; choose another name',
    )


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"users": {"logins": {"su_group": "shop-web"}}}, "users.logins.su_group"),
        ({"ssh": {"allow_users": ["deploy", "shop-web@10.0.0.0/8"]}}, "ssh.allow_users"),
        ({"ssh": {"allow_groups": ["adm", "shop-web"]}}, "ssh.allow_groups"),
    ],
)
def test_an_application_s_account_gets_no_rights(
    project: Project, data: dict[str, Any], key: str
) -> None:
    project.app()
    project.all = data
    _, name, message = project.error()
    assert name == key
    assert message.startswith('"shop-web" is an account of the application "shop", which ')
    ends = ("choose another name for one of the two", "choose another name for the application")
    assert message.endswith(ends)


@pytest.mark.parametrize(
    "part", ["workers: {release-hooks: {command: x}}", "timers: {release-hooks: {command: x, "
             "schedule: daily}}"],
)  # fmt: skip
def test_a_worker_with_the_name_of_the_release_hooks(project: Project, part: str) -> None:
    project.app(more=f"{part}\n")
    assert project.error() == (
        MANIFEST,
        f"app.shop.{part.partition(':')[0]}.release-hooks",
        "is the name of the release hooks' unit: choose another one",
    )


@pytest.mark.parametrize("name", ["Shop", "1shop", "../shop", "a" * 25, ""])
def test_a_name_that_no_user_can_have(project: Project, name: str) -> None:
    project.groups["web"]["apps"] = [name]
    _, key, message = project.error()
    assert key == f"app.{name}"
    assert message.startswith("an application's name is 1-24 of a-z, 0-9 and -")


def test_everything_wrong_is_reported_at_once(project: Project) -> None:
    project.app(more="port: no\n")
    project.app("blog", more="secrets: {KEY: {env: GC_TEST_UNSET}}\n")
    project.app("wiki")
    project.app("root")
    project.write("apps/list.yml", "- a")
    project.all = {"nginx": {"gzpi": True}}
    project.hosts = {"web1": (["web"], {}), "web2": (["web"], {"apps": ["list"]}), "x": (["y"], {})}
    with pytest.raises(SettingsError) as caught:
        project.load()
    assert [(item.key, item.hosts) for item in caught.value.problems] == [
        ("app.blog.secrets.KEY", ("web1",)),
        ("app.list", ("web2",)),
        ("app.root", ("web1",)),
        ("app.shop.port", ("web1",)),
        ("app.wiki.domains", ("web1",)),
        ("y", ("x",)),
        ("nginx.gzpi", ("web1", "web2", "x")),
    ]


PART = "expected a name of 1 to 24 lower-case letters, digits and -, beginning with a letter"


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ("workers: {Send_Mail: {command: a}}", "workers.Send_Mail", 'did you mean "send-mail"?'),
        ("timers: {9am: {command: a, schedule: daily}}", "timers.9am", f"{PART} as key"),
    ],
)
def test_names_of_parts_are_told_in_words(
    project: Project, more: str, key: str, message: str
) -> None:
    project.app(more=more + "\n")
    _, name, text = project.error()
    assert name == f"app.shop.{key}"
    assert text.startswith(PART) and message in text


def test_names_of_applications_are_told_in_words(project: Project) -> None:
    project.groups["web"] = {"apps": ["My_Shop", "2go"]}
    problems = {key: message for _, key, message in project.errors()}
    text = "an application's name is 1-24 of a-z, 0-9 and -, starting with a letter"
    assert problems == {"app.My_Shop": f'{text}; did you mean "my-shop"?', "app.2go": text}
