"""How each command of the pages is run. A command that is in none of these tables fails a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PROD = "pyinfra inventory/prod.py"
STATUS = f"{PROD} playbooks/status.py -y"
RELEASE = f"{PROD} playbooks/release.py -y --data app=shop"
MAINTENANCE = f"{PROD} playbooks/maintenance.py -y --data app=shop --data maintenance=on"
PREFLIGHT = f"{PROD} playbooks/preflight.py -y"

ADDRESS = "$(sed -n 's/^ *HostName //p' ~/.ssh/config)"
ASK = f"curl -s --connect-to ::{ADDRESS}: http://shop.example.com/"
"""The page as a visitor gets it."""

NEW_CODE = "printf '\\nVERSION = %s\\n' \"$RANDOM$RANDOM\" >> ../shop/shop/wsgi.py"
ALIAS = """\
bin/lab list --json | python -c 'import json, sys; print("Host web1.example.com\\n  HostName",
json.load(sys.stdin)[0]["address"])' > ~/.ssh/config
cp .groundcrew/lab/id_ed25519 ~/.ssh/
"""
"""web1.example.com is the lab host, and the operator has its key, as with any host."""

EDITOR = "\"sed -i '\\$a shop: {API_KEY: q7-kestrel-lattice}'\""
MANIFEST = "cp ../examples/README-2.yml apps/shop.yml"
SECRETS = "cp ../examples/shop-with-secrets.yml apps/shop.yml"


@dataclass(frozen=True)
class Step:
    """One command, as a page has it, in the project's directory."""

    command: str
    says: str = ""
    """What its output has (a regular expression)."""

    to: str = ""
    """The command that this one is an option of."""

    more: str = ""
    """What the text beside it says to add."""

    names: dict[str, str] = field(default_factory=dict)
    """Words that stand for others. `ID` is an older release, without being listed."""

    form: Literal["short", "long", "both"] = "both"
    """Without what is in brackets, with it, or one after the other."""

    before: str = ""
    """Shell that comes first: what the text tells to do without showing how."""

    after: str = ""
    """Shell that comes next, in the same shell, and looks at what came of it."""

    on_host: bool = False
    """Whether it is typed there, as root."""

    typed: str = ""
    """What is answered to its questions."""

    status: int = 0


HERE = [
    Step("bin/new-app ../shop", after="cat apps/shop.yml", says="entry: shop.wsgi:application"),
    Step(
        "--entry package.module:name",
        to="bin/new-app ../shop",
        names={"package.module:name": "shop.wsgi:application"},
        more="--force",
        after="cat apps/shop.yml",
        says="entry: shop.wsgi:application",
    ),
    Step(
        f"{PROD} playbooks/settings.py",
        before=MANIFEST,
        says=r"app\.shop\.env\.LOG_LEVEL +info +apps/shop\.yml",
    ),
    Step(
        "--data settings.key=app.shop",
        to=f"{PROD} playbooks/settings.py",
        says=r"app\.shop\.secrets\.DATABASE_URL +\*{6}",
    ),
    Step(
        "--data settings.changed=true",
        to=f"{PROD} playbooks/settings.py",
        says=r"app\.shop\.env\.LOG_LEVEL +info",
    ),
    Step(
        "--data settings.explain=app.shop.server.workers",
        to=f"{PROD} playbooks/settings.py",
        says=r"default +\"auto\"",
    ),
    Step(
        "bin/groundcrew settings --explain app.shop.server.workers",
        says=r"default +\"auto\"",
    ),
    Step("bin/groundcrew secrets init", says="your public key was added: age1"),
    Step(
        "bin/groundcrew secrets edit",
        before=f"export EDITOR={EDITOR}",
        after="cat secrets.age.yml",
        says=r"shop:\n    API_KEY: \S{100}",
    ),
    Step("bin/groundcrew secrets show shop.API_KEY", says="q7-kestrel"),
    Step("bin/groundcrew secrets rekey", says="1 secret encrypted for 1 recipient"),
    Step(
        "bin/groundcrew secrets edit --file staging.age.yml",
        before=f"cp secrets.age.recipients staging.age.recipients; export EDITOR={EDITOR}",
        says="staging.age.yml: shop.API_KEY: new",
    ),
    Step(
        "--data 'base.sysctl={\"vm.swappiness\": 1}'",
        to=f"{PROD} playbooks/settings.py",
        says=r"base\.sysctl\.vm\.swappiness +1 +--data",
    ),
    Step(
        "--data KEY=VALUE",
        to=f"{PROD} playbooks/settings.py",
        names={"KEY=VALUE": "nginx.gzip_level=4"},
        says=r"nginx\.gzip_level +4 +--data",
    ),
    Step(
        f"{PROD} playbooks/settings.py --limit web2 --data settings.key=app.shop",
        before="cp ../examples/settings-1/*.py . && mv prod.py inventory/ && mv web.py group_data/"
        " && echo 'apps = [\"shop\"]' >> group_data/web.py",
        says=r"app\.shop\.server\.workers +4 +inventory, host web2",
    ),
]
"""Those that need no host, in this order, in a project of their own."""

ON_A_HOST = [
    Step(". bin/_setup", after="command -v pyinfra", says=r"/\.venv/bin/pyinfra"),
    Step(
        "bin/lab up web1 [--suite trixie] [--publish]", form="long", says="web1 +container +trixie"
    ),
    Step(
        f"{PROD} deploy.py --dry",
        before=f"{MANIFEST}\n{ALIAS}",
        after="cat inventory/prod.py",
        says=r"web1\.example\.com",
    ),
    Step(f"{PROD} deploy.py -y", after=ASK, says='"LOG_LEVEL": "info", "DATABASE_URL": "sqlite:'),
    Step(
        f"{PROD} deploy.py --dry",
        more="--diff",
        before="sed -i 's/info/debug/' apps/shop.yml",
        after="sed -i 's/debug/info/' apps/shop.yml",
        says="shop",
    ),
    Step(f"{PROD} deploy.py -y --data prepare=yes", says="nothing to change"),
    # What is there.
    Step(STATUS, says="shop"),
    # Several options in one run take no longer than one.
    Step(
        "--limit web1.example.com",
        to=STATUS,
        more="--data lines=100 --data status.json=out.json",
        after="cat out.json",
        says='"shop"',
    ),
    Step(
        f"{STATUS} [--data app=shop] [--data lines=20]",
        form="long",
        says="shop",
    ),
    Step(f"{PREFLIGHT} [--data preflight.min_memory=8G]", says="memory"),
    Step(
        "--data preflight.json=PATH",
        to="pyinfra INVENTORY playbooks/preflight.py -y",
        names={"INVENTORY": "inventory/prod.py", "PATH": "preflight.json"},
        after="cat preflight.json",
        says='"memory"',
    ),
    Step(f"{PROD} playbooks/verify.py -y", says="0 failed"),
    Step(f"{PROD} playbooks/checklist.py -y", says="no backup.targets", status=1),
    Step(
        f"{PROD} playbooks/checklist.py -y [--data checklist.json=PATH]",
        form="long",
        names={"PATH": "checklist.json"},
        says="no backup.targets",
        status=1,
    ),
    Step(
        f"{PROD} deploy.py -y --data report=out/run.html",
        after="cat out/run.json",
        says='"outcome": "succeeded"',
    ),
    Step("--data output=quiet", to=f"{PROD} deploy.py -y", says="HOST +STATE +CHANGED"),
    Step("--data output=verbose", to=f"{PROD} playbooks/status.py -y", says="Grand total"),
    Step("bin/groundcrew deploy -y -q", says="HOST +STATE +CHANGED"),
    Step(
        "--data report=out/run.html",
        to=f"{PROD} playbooks/verify.py -y",
        after="cat out/run.xml",
        says="<testsuites",
    ),
    Step(
        "--data report=PATH",
        to=f"{PROD} playbooks/verify.py -y",
        names={"PATH": "out/run.html"},
        after="cat out/run.html",
        says="<!doctype html>",
    ),
    Step(
        "--data verify.json=out.json",
        to=f"{PROD} playbooks/verify.py -y",
        after="cat out.json",
        says='"ok"',
    ),
    Step(
        f"{PROD} playbooks/logs.py -y --data app=shop [--data lines=50] [--data since=10m]",
        says="GET /",
    ),
    Step("bin/groundcrew status --json -", says=r'"hosts": \{'),
    Step("bin/groundcrew --help", says="in an application's live release"),
    Step("bin/groundcrew shell shop", typed="env\n", says="LOG_LEVEL=info"),
    Step("bin/groundcrew release shop -y", before=NEW_CODE, after=ASK, says='"LOG_LEVEL": "info"'),
    Step("--data lines=200", to=f"{PROD} playbooks/logs.py -y --data app=shop", says="GET /"),
    # Releases.
    Step(RELEASE, before=NEW_CODE, after=ASK, says='"LOG_LEVEL": "info"'),
    Step(
        "--data status.json=PATH",
        to=STATUS,
        names={"PATH": "status.json"},
        after="cat status.json",
        says='"shop"',
    ),
    Step(f"{PROD} playbooks/releases.py -y --data app=shop", says="live"),
    Step(
        f"{PROD} playbooks/sbom.py -y --data sbom=DIRECTORY",
        names={"DIRECTORY": "all"},
        after="ls all",
        says=r"shop\.web1\.example\.com\.cdx\.json",
    ),
    Step(
        f"{PROD} playbooks/sbom.py -y --data sbom=sboms [--data app=shop] [--data release=ID]",
        after="ls sboms",
        says=r"shop\.web1\.example\.com\.cdx\.json",
    ),
    Step(f"{PROD} playbooks/rollback.py -y --data app=shop", after=ASK, says='"LOG_LEVEL"'),
    Step(f"{PROD} deploy.py -y --data again=shop", after=ASK, says='"LOG_LEVEL"'),
    Step(
        "--data release=ID",
        to=f"{PROD} playbooks/rollback.py -y --data app=shop",
        after=ASK,
        says='"LOG_LEVEL"',
    ),
    Step("--data app.shop.server.workers=4", to=RELEASE, before=NEW_CODE),
    Step(f"{PROD} playbooks/restart.py -y --data app=shop", after=ASK, says='"LOG_LEVEL"'),
    Step(f"{PROD} deploy.py --data app.shop.server.workers=4", typed="\n", says="0 failed"),
    Step(
        f"{PROD} deploy.py --data 'app.shop.domains=[\"shop.example.com\"]'",
        typed="\n",
        says="0 failed",
    ),
    Step(
        f"{RELEASE} --data app.shop.secrets.COOKIE_KEY.generate.version=2",
        before=SECRETS,
        after=ASK,
        says='"API_KEY": "a-key-of-this-test", "COOKIE_KEY"',
    ),
    # Maintenance.
    Step(MAINTENANCE, after=f"{ASK}nothing", says="Down for maintenance"),
    Step(
        "--data 'app.shop.maintenance.allow=[\"192.0.2.7\"]'",
        to=MAINTENANCE,
        after=f"{ASK}nothing",
        says="Down for maintenance",
    ),
    Step(MAINTENANCE.replace("=on", "=off"), after=ASK, says='"LOG_LEVEL"'),
    # On the host.
    Step("find /srv/NAME/cache -mindepth 1 -delete", names={"NAME": "shop"}, on_host=True),
    Step("journalctl -f -u 'shop@*' -u 'shop.*@*'", on_host=True, status=124),
    Step("journalctl -t groundcrew _UID=0", on_host=True, says="USER=root ; COMMAND="),
    Step("fail2ban-client set sshd unbanip ADDRESS", names={"ADDRESS": "192.0.2.7"}, on_host=True),
    # The same host as one of the lab.
    Step("bin/lab ssh web1"),
    Step("pyinfra inventory/lab.py deploy.py", typed="\n", says="0 failed"),
    Step(f"{RELEASE.replace('prod', 'lab')} --data app.shop.mode=development"),
    Step(
        "--data app.NAME.mode=development",
        to=RELEASE.replace("prod", "lab"),
        names={"NAME": "shop"},
    ),
    Step(RELEASE.replace("prod", "lab"), after=ASK, says='"LOG_LEVEL"'),
    Step("bin/demo", says=r"open http://localhost:\d+/"),
    Step(
        "pyinfra inventory/lab.py deploy.py -y --data 'apps=[\"NAME\"]'",
        names={"NAME": "hello"},
        says="0 failed",
    ),
    # All that the pages say of manifests, and can be tried here, on one host.
    Step(
        f"{PROD} deploy.py -y",
        before="cp ../examples/together/*.yml apps/ && cp ../examples/together/web.py group_data/",
        says="0 failed",
    ),
    # Off again.
    Step(
        f"{PROD} playbooks/remove.py --dry --data app=shop",
        before="echo 'apps = []' > group_data/web.py",
        after="bin/lab ssh web1 ls /srv",
        says=r"(?m)^shop$",
    ),
    Step(
        f"{PROD} playbooks/remove.py -y --data app=shop [--data purge=shop] [--limit HOST]",
        names={"HOST": "web1.example.com"},
        after="bin/lab ssh web1 ls /srv",
    ),
    Step("bin/lab reset web1", says="web1 +container +trixie"),
    Step("bin/lab down", says="removed web1"),
]
"""One operator's whole life with a host, from a clone to its removal, in this order."""


@dataclass(frozen=True)
class Not:
    """Why a command is run by no test under its own words; `test` does the same under others."""

    reason: str
    test: str = ""


AUDIT = "tests/e2e/test_supply.py::test_an_audit_is_clean_vulnerable_or_not_checked"
PACKAGE = "tests/e2e/test_package.py::test_a_project_of_ones_own_deploys"
PROMOTION = "tests/e2e/test_replication.py::test_a_planned_promotion_loses_nothing"
REPLICAS = "tests/e2e/test_replication.py::test_a_rotation_leaves_the_copies_as_they_are"
RENEWAL = "tests/e2e/test_renew.py::test_all_that_runs_a_replaced_library_is_renewed"
SELF = "it is what runs this"
LOADED = "tests/e2e/test_needs.py::test_a_dump_is_loaded_as_the_pages_say"
NEEDS = "tests/e2e/test_needs.py::test_a_rotation_loses_no_request"

BACKUP = "tests/e2e/test_backup.py::test_data_comes_back_and_what_it_replaces_is_kept"
LOST = "tests/e2e/test_backup.py::test_a_lost_host_comes_back_from_the_store"
DRILL = "tests/e2e/test_backup.py::test_verify_is_red_after_a_red_drill_and_green_after_a_green_one"
RESTORE = f"{PROD} playbooks/restore.py -y --data app=shop"
ALERT = "tests/e2e/test_monitoring.py::test_a_test_alert_arrives"
LOADTEST = "tests/e2e/test_loadtest.py::test_an_application_that_reaches_its_targets"
OPERATOR = "tests/e2e/test_operator.py"
SHORT = "tests/unit/test_operator.py::test_a_command_is_a_short_form_of_pyinfras_line"
TUTORIAL = "tests/e2e/test_tutorial.py::test_the_tutorial"
HOWTO = "tests/e2e/test_howto.py"
FOLLOWED = f"{OPERATOR}::test_logs_are_followed_over_a_release_and_a_rotation"
LOADED_RESTART = "tests/e2e/test_loadtest.py::test_a_restart_under_load"
STOPPED = f"{OPERATOR}::test_a_stopped_application_stays_stopped"
PARTS = f"{OPERATOR}::test_a_run_that_leaves_out_roles"
EXPORTED = "tests/unit/test_export.py::test_the_examples_are_written_and_a_second_time_not"
AS_JSON = "tests/unit/test_operator.py::test_a_command_is_a_short_form_of_pyinfras_line"
COMPLETED = "tests/unit/test_completion.py::test_bash_completes"
FLEET = "tests/e2e/test_fleet.py::test_hosts_restart_one_after_the_other"
UPGRADED = "tests/e2e/test_fleet.py::test_packages_are_upgraded_one_host_after_the_other"
REBOOT, UPGRADE = f"{PROD} playbooks/reboot.py -y", f"{PROD} playbooks/upgrade.py -y"
MOVED = "tests/e2e/test_moving.py::test_an_application_moves_with_its_data"
OLD, NEW = "old.example.com", "new.example.com"
NOT_RUN = {
    **{
        f"{PROD} {command}": Not("two hosts with a target for backups", MOVED)
        for command in (
            f"deploy.py -y --limit {NEW} --data prepare=yes",
            f"playbooks/backup.py -y --limit {OLD}",
            f"playbooks/restore.py -y --limit {NEW} --data app=shop --data of_host={OLD} "
            "--data restore=shop",
            f"playbooks/stop.py -y --limit {OLD} --data app=shop",
            f"playbooks/start.py -y --limit {NEW} --data app=shop",
        )
    },
    "--data part=NAME": Not("the same with databases", MOVED),
    "pyinfra inventory/prod.yml deploy.py": Not(
        "another kind of file",
        "tests/unit/test_inventories.py::test_pyinfra_takes_a_yaml_file_and_runs_a_command_once",
    ),
    "bin/groundcrew swarm shop -y": Not(
        "needs three hosts with Docker Engine",
        "tests/e2e/test_swarm.py::test_every_host_answers_for_three_containers",
    ),
    "groundcrew swarm shop -y": Not(
        "needs three hosts with Docker Engine",
        "tests/e2e/test_swarm.py::test_every_host_answers_for_three_containers",
    ),
    REBOOT: Not("a lab host cannot start again by itself", FLEET),
    f"{REBOOT} [--limit HOST] [--data batch=2] [--data down=1]": Not("the same", FLEET),
    **{
        f"--data {option}": Not("an option of the same", FLEET)
        for option in ("down=1", "batch=2", "back=120")
    },
    "--data unreachable=skip": Not(
        "a fleet with a host that is down",
        "tests/e2e/test_fleet.py::test_a_run_goes_on_without_a_host_that_is_down",
    ),
    **{
        command: Not("the old host of a move", MOVED)
        for command in (
            f"{PROD} playbooks/remove.py -y --limit {OLD} --data app=shop",
            f"--limit {OLD}",
        )
    },
    "--data reboot=yes": Not("an option of playbooks/upgrade.py", UPGRADED),
    UPGRADE: Not("what Debian has upgraded differs every day", UPGRADED),
    f"{UPGRADE} [--limit HOST] [--data reboot=yes]": Not("the same", UPGRADED),
    **{
        f"bin/groundcrew export {kind} shop --image registry.example.com/shop:1": Not(
            "it writes files and works on no host", EXPORTED
        )
        for kind in ("kubernetes", "swarm")
    },
    **{
        command: Not("a host of the pages of docs/howto", f"{HOWTO}::test_{test}")
        for test, commands in {
            "change_a_domain_and_a_site_before_its_dns": (
                "curl --resolve shop.example.com:80:203.0.113.12 http://shop.example.com/",
            ),
            "disk_full": (
                "df -h / /srv /var",
                "du -xh --max-depth=2 /srv /var | sort -h | tail -20",
                "journalctl --vacuum-size=200M",
                "apt-get clean",
            ),
            "host_keys": (
                "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
                "rm /etc/ssh/ssh_host_ed25519_key*",
                'ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key',
                "systemctl restart ssh",
            ),
            "locked_out": ("nft delete table inet groundcrew",),
            "rename_an_application": (
                f"{PROD} playbooks/rename.py -y --data app=store --data was=shop",
                f"{PROD} playbooks/rename.py -y --data app=shop --data was=store",
                "bin/groundcrew start shop -y",
                "bin/groundcrew start store -y",
                "--data was=shop",
            ),
            "replace_a_key": (
                'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_new',
                f"{PROD} deploy.py -y --data only=users",
                "install -o deploy -g deploy -m 0600 /dev/stdin /home/deploy/.ssh/authorized_keys "
                '<<< "ssh-ed25519 AAAA... you"',
            ),
            "upgrade_debian": (
                "sed -i s/bookworm/trixie/g /etc/apt/sources.list "
                "$(find /etc/apt/sources.list.d -type f)",
                "apt-get update",
                "DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold "
                "full-upgrade",
            ),
        }.items()
        for command in commands
    },
    f"{PROD} deploy.py -y --limit web1.example.com": Not("a host of several"),
    "ssh deploy@web1.example.com true": Not("a host behind another one"),
    "--data skip=verify": Not("it looks at what is left out", f"{OPERATOR}::test_a_run_that_"
                              "leaves_out_roles"),
    "bin/groundcrew NAME --json PATH": Not("status has it with a name", AS_JSON),
    "--data NAME.json=PATH": Not("the same", AS_JSON),
    **{
        command: Not("a package that is installed", COMPLETED)
        for command in (
            "groundcrew completion bash > ~/.local/share/bash-completion/completions/groundcrew",
            "groundcrew completion zsh > ~/.zfunc/_groundcrew",
            "groundcrew completion fish > ~/.config/fish/completions/groundcrew.fish",
        )
    },
    **{
        command: Not("it reboots the host in between", STOPPED)
        for command in (
            f"{PROD} playbooks/stop.py -y --data app=shop",
            f"{PROD} playbooks/start.py -y --data app=shop",
            "bin/groundcrew stop shop",
            "bin/groundcrew start shop",
        )
    },
    **{
        command: Not("it looks at what is left out", PARTS)
        for command in (
            f"{PROD} deploy.py -y --data only=nginx,firewall",
            f"{PROD} deploy.py -y --data skip=backup",
            "bin/groundcrew deploy --only nginx,firewall",
            "bin/groundcrew deploy --skip backup",
            "--data skip=backup",
            "--data only=nginx,firewall",
            "--data only=NAME",
            "--data skip=NAME",
        )
    },
    "bin/groundcrew run shop -- python manage.py createsuperuser": Not(
        "its example has no manage.py", f"{OPERATOR}::test_a_command_runs_as_the_live_release"
    ),
    "bin/groundcrew run shop -- sqlite3 data/shop.db .dump > shop.sql": Not(
        "the same", f"{OPERATOR}::test_its_exit_status_input_and_output_are_the_commands_own"
    ),
    "bin/groundcrew logs shop -f": Not("it does not end by itself", FOLLOWED),
    "bin/groundcrew logs shop -f --grep ' 50[0-9] '": Not("the same", FOLLOWED),
    "bin/loadtest shop --users 50 --requests 1000 --duration 600": Not(
        "load is for the lane of tests that have the machine alone", LOADTEST
    ),
    "--rate 0": Not(
        "an option of bin/loadtest",
        "tests/e2e/test_loadtest.py::test_a_url_of_the_inventory_and_another_one",
    ),
    "bin/loadtest shop --users 10 --during restart --success 100": Not(
        "the same", LOADED_RESTART
    ),
    **{
        command: Not("a host with a target for backups", BACKUP)
        for command in (
            RESTORE,
            f"{PROD} playbooks/backup.py -y",
            f"{PROD} playbooks/backups.py -y",
            f"{PROD} playbooks/backup_key.py -y",
            "--data restore=shop",
            "--data part=postgresql",
            "--data target=offsite",
            "--data of_host=web1.example.com",
            "--data of_host=web1",
            "--data at=\"2026-11-22 14:00\"",
            "--data confirm=...",
            "--data confirm=20261122t140000",
            "--data kind=full",
        )
    },
    f"{RESTORE} --data restore=shop": Not("a host that is new", LOST),
    f"{PROD} playbooks/restore.py -y --data app=monitoring --data restore=monitoring": Not(
        "a host that is new",
        "tests/e2e/test_monitoring_life.py::"
        "test_a_monitoring_host_that_is_lost_comes_back_with_its_history",
    ),
    f"{PROD} deploy.py -y --data prepare=yes": Not("a host that is new", LOST),
    f'{RESTORE} --data at="2026-11-22 14:00" --data restore=shop': Not("the same", BACKUP),
    f"{PROD} playbooks/alert_test.py -y": Not("a host that monitors others", ALERT),
    f"{PROD} playbooks/drill.py -y": Not("a host with a target for backups", DRILL),
    **{
        command: Not("a short form of what README.md has", SHORT)
        for command in (
            "bin/groundcrew deploy -y",
            "bin/groundcrew maintenance shop on -y",
            "bin/groundcrew rollback shop -y",
        )
    },
    "bin/groundcrew run shop -- COMMAND": Not(
        "a command of its own for each", f"{OPERATOR}::test_a_command_runs_as_the_live_release"
    ),
    "git pull": Not("the project's address is for each to know"),
    f"{PROD} deploy.py -y --data ssh_strict_host_key_checking=yes": Not(
        "host keys of CI", "tests/unit/test_documentation.py::test_recipes_of_ci_are_valid"
    ),
    "git clone": Not("the project's address is for each to know"),
    "pyinfra @local playbooks/verify.py -y --data verify.url=https://shop.example.com": Not(
        "a name on the internet, with a certificate",
        "tests/unit/test_verify_url.py::test_a_good_page"
    ),
    "bin/audit apps/shop.yml": Not("asks PyPI, npm or OSV, on the internet", AUDIT),
    "bin/audit shop.cdx.json": Not(
        "the same", "tests/e2e/test_supply.py::test_what_hosts_run_is_audited"
    ),
    "bin/audit FILE": Not("the same", "tests/e2e/test_supply.py::test_what_hosts_run_is_audited"),
    "bin/audit --own": Not(
        "the same", "tests/e2e/test_supply.py::test_groundcrew_s_own_packages_are_audited"
    ),
    "bin/audit inventory/prod.py": Not(
        "the same", "tests/e2e/test_supply.py::test_what_hosts_run_is_audited"
    ),
    "bin/audit inventory/prod.py [--limit web1.example.com] [--app shop]": Not(
        "the same", "tests/e2e/test_supply.py::test_what_hosts_run_is_audited"
    ),
    "--json PATH": Not("an option of bin/audit", AUDIT),
    "--report PATH.html": Not(
        "the same", "tests/unit/test_report_audit.py::test_an_audit_writes_its_report"
    ),
    "bin/audit inventory/prod.py --report out/audit.html": Not(
        "the same", "tests/unit/test_report_audit.py::test_an_audit_writes_its_report"
    ),
    "--service osv": Not("an option of bin/audit", AUDIT),
    "--data need=database": Not("an option of rotate.py and client.py", NEEDS),
    "bin/lab up web1 --group web,postgresql,mariadb,redis": Not("three such hosts", NEEDS),
    f"{PROD} playbooks/rotate.py -y --data app=shop": Not("an application with a database", NEEDS),
    f"{PROD} playbooks/client.py --data app=shop --data need=database": Not("the same", NEEDS),
    f"{PROD} playbooks/rotate.py -y --data app=shop [--data need=database]": Not(
        "an application with a database", NEEDS
    ),
    f"{PROD} playbooks/client.py --data app=shop [--data need=database]": Not("the same", NEEDS),
    **{
        command: Not("a database with something in it", LOADED)
        for command in (
            "pg_dump --no-owner --no-privileges shop > shop.sql",
            "(echo 'SET ROLE shop_database; BEGIN;'; cat shop.sql; echo 'COMMIT;') | "
            f"{PROD} playbooks/client.py --data app=shop --data need=database",
            "pg_restore --no-owner --no-privileges --file=shop.sql shop.dump",
            "mariadb-dump --single-transaction shop > shop.sql",
            f"{PROD} playbooks/client.py --data app=shop --data need=database < shop.sql",
        )
    },
    f"{PROD} playbooks/remove.py -y --data app=shop --data purge=shop": Not(
        "the same", "tests/e2e/test_needs.py::test_only_purge_deletes_a_database"
    ),
    "bin/docs build": Not(
        "the same, into another directory",
        "tests/unit/test_documentation.py::test_every_page_is_in_the_site_and_every_link_leads_"
        "somewhere",
    ),
    "bin/test": Not(SELF),
    "bin/test unit": Not(SELF, "tests/unit/test_setup.py::test_paths_replace_all_tests"),
    "bin/test --full": Not(SELF),
    "bin/test --vm": Not(SELF),
    "python3 -m venv .venv && . .venv/bin/activate": Not("made with uv", PACKAGE),
    "pip install ../groundcrew": Not("the wheel that it makes", PACKAGE),
    "groundcrew init mysite && cd mysite": Not("a directory of its own", PACKAGE),
    **{
        command: Not("a step of the tutorial", TUTORIAL)
        for command in (
            "pip install ./groundcrew",
            "groundcrew init mysite",
            "cd mysite",
            "groundcrew new-app ../hello",
            "groundcrew release hello -y",
            "groundcrew rollback hello -y",
            "groundcrew status hello",
            "groundcrew logs hello",
        )
    },
    "bin/lab up vm1 --vm": Not(
        "a virtual machine, minutes: bin/test --vm",
        "tests/vm/test_converge.py::test_the_first_run_makes_a_bare_machine_serve",
    ),
    "bin/test e2e tests/e2e/test_audit_host.py tests/e2e/test_audit_strict.py": Not(
        SELF, "tests/unit/test_setup.py::test_paths_replace_all_tests"
    ),
    "rsync -a --chown=shop:shop --rsync-path='sudo rsync' old/uploads/ "
    "deploy@web1.example.com:/srv/shop/shared/uploads/": Not(
        "rsync, on both machines",
        "tests/e2e/test_sources.py::test_what_shared_directories_begin_with",
    ),
    "--extra-index-url https://bot:${INDEX_TOKEN}@pypi.example.com/simple": Not(
        "an index on the internet", "tests/e2e/test_sources.py::test_packages_of_a_private_index"
    ),
    "vagrant up": Not("virtual machines, which a machine for tests has not"),
    "pyinfra inventory/vagrant.py deploy.py": Not(
        "the same", "tests/unit/test_lab_inventories.py::test_vagrant_machines_become_hosts"
    ),
    "pyinfra inventory/local.py deploy.py": Not(
        "it would change this machine",
        "tests/unit/test_lab_inventories.py::test_without_a_terminal_the_machine_is_not_changed",
    ),
    "GROUNDCREW_LAB=two bin/lab up web1": Not("every lane of the tests is such a lab"),
    "GROUNDCREW_LAB_IMAGE=TAG bin/lab up web1": Not("most hosts of the tests are such hosts"),
    "certbot delete --cert-name APP": Not(
        "a certificate of a CA on the internet",
        "tests/e2e/test_tls.py::test_a_directory_issues_a_certificate_and_renews_it",
    ),
    "pyinfra inventory/prod.py playbooks/promote.py -y --data host=db2.example.com": Not(
        "two hosts with databases", PROMOTION
    ),
    "pyinfra inventory/prod.py playbooks/promote.py -y --data host=db2.example.com "
    "--limit db2.example.com": Not("the same", PROMOTION),
    "--data host=db2": Not("the same", PROMOTION),
    "--data part=redis.queue": Not("the same", REPLICAS),
    "--data redis.move_aside=yes": Not(
        "the same", "tests/unit/test_redis_replicas.py::test_keys_are_not_replaced_unasked"
    ),
    "pyinfra inventory/prod.py playbooks/rotate.py -y --data host=db2.example.com": Not(
        "the same", REPLICAS
    ),
    "--data postgresql.move_aside=yes": Not(
        "the same", "tests/unit/test_replication.py::test_a_server_with_databases_is_not_replaced_"
        "unasked"
    ),
    "--data again=APP": Not("README.md has it with a name"),
    f"{PROD} playbooks/renew.py -y": Not("a host with an update of a library", RENEWAL),
    f"{PROD} playbooks/renew.py -y [--limit HOST]": Not("the same", RENEWAL),
}  # fmt: skip
"""Everything that is not run, and why."""
