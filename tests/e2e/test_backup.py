"""Backups of files and SQLite databases to a directory and over SFTP: restores, drills that notice
what is wrong, and a host that is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.drills import (
    PROGRAM,
    adopt,
    backed_up,
    drilled,
    left,
    program,
    restic,
    state,
    store_by_hand,
)
from tests.e2e.harness import LabHost, Run, good, inside, pyinfra

APP, DOMAIN = "opendify-like", "opendify.test"
ROWS = (
    'python -c \'import glob, sqlite3; assert sqlite3.connect(glob.glob("data/*.db")[0])'
    '.execute("SELECT count(*) FROM mapping").fetchone()[0] > 0\''
)
DIRECTORY = "/mnt/backups"
STORE = "/srv/backups"
KEY = "a-long-key-of-the-operator-for-tests-only"
REPOSITORY = f"{STORE}/e2e-backup"
REPO = f"{DIRECTORY}/e2e-backup"
MAPPINGS = "/v1/conversation/mappings"
LARGE = f"/srv/{APP}/shared/data/large"
REQUEST = json.dumps(
    {"app": APP, "part": None, "at": None, "target": "disk", "from": None, "mark": None}
)


only_full = pytest.mark.skipif(
    not os.environ.get("GROUNDCREW_FULL"), reason="one more fault of its kind: bin/test --full"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    """A server that stores backups: SSH and nothing else."""
    host = LabHost("e2e-store", "bookworm", group="storage")
    host.up()
    folder = tmp_path_factory.mktemp("store")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "identity")], check=True
    )
    (folder / "key").write_text(KEY)
    public = (folder / "identity.pub").read_text()
    inside(
        host,
        "useradd --create-home keeper && install -d -m 700 -o keeper /home/keeper/.ssh "
        f"{STORE} && cat > /home/keeper/.ssh/authorized_keys && chown -R keeper /home/keeper/.ssh",
        public,
    )
    host.folder = folder  # type: ignore[attr-defined]
    try:
        yield host
    finally:
        host.down()


@pytest.fixture(scope="module")
def data(store: LabHost) -> dict[str, Any]:
    folder: Path = store.folder  # type: ignore[attr-defined]
    key = inside(store, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    return {
        "apps": [APP],
        f"app.{APP}.release.check_window": 1,
        f"app.{APP}.health.timeout": 15,
        f"app.{APP}.secrets.SESSION_KEY.generate.length": 32,
        f"app.{APP}.backup.path": MAPPINGS,
        f"app.{APP}.backup.drill": [ROWS],
        "backup.key.file": str(folder / "key"),
        "backup.targets": {
            "disk": {"type": "directory", "path": DIRECTORY},
            "store": {
                "type": "sftp",
                "host": store.address,
                "user": "keeper",
                "path": STORE,
                "host_keys": [key],
                "identity": {"file": str(folder / "identity")},
                "timeout": 20,
            },
        },
    }


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory of the host that is backed up, alone."""
    path = tmp_path_factory.mktemp("backup") / "inventory.py"
    path.write_text(
        "from groundcrew.lab import inventory as _lab\n"
        "for _group, _hosts in _lab.running().items():\n"
        '    globals()[_group] = [item for item in _hosts if item[0] == "e2e-backup"]\n'
    )
    return path


@pytest.fixture(scope="module")
def host(data: dict[str, Any], inventory: Path) -> Iterator[LabHost]:
    """A host whose directory for backups exists before the first run."""
    target = LabHost("e2e-backup", "bookworm", bare=True)
    target.up()
    inside(target, f"mkdir {DIRECTORY}")
    try:
        target.first = pyinfra(target.name, data=data, inventory=inventory)
        assert target.first.status == 0, target.first.stderr
        wait_for_unit(target, "drill")
        # The first one was before anybody wrote anything.
        chat(target, "the first")
        assert backed_up(target)[0] == 0
        assert drilled(target, "disk") == (0, [])
        yield target
    finally:
        target.down()


Playbook = Callable[..., Run]


@pytest.fixture
def play(host: LabHost, data: dict[str, Any], inventory: Path) -> Playbook:
    """Runs a playbook with more `--data`."""

    def run(name: str, *options: str, **more: Any) -> Run:
        return pyinfra(
            host.name,
            *options,
            data={**data, **more},
            inventory=inventory,
            playbook=name if name == "deploy.py" else f"playbooks/{name}.py",
        )

    return run


def wait_for_unit(host: LabHost, kind: str) -> None:
    """Returns when a unit of the backups has ended."""
    inside(
        host,
        f"i=0; while systemctl is-active groundcrew-backup-{kind} | grep -q activating; "
        "do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.5; done",
    )


def chat(host: LabHost, *names: str) -> None:
    for name in names:
        body = {"model": "gpt-4", "conversation_id": name, "messages": [{"content": "hi"}]}
        url = f"http://{host.address}/v1/chat/completions"
        answer = requests.post(url, json=body, headers={"Host": DOMAIN}, timeout=10)
        assert answer.status_code == 200, answer.text


def conversations(host: LabHost) -> dict[str, str]:
    """What the application has stored, read from the host itself."""
    path = f"/srv/{APP}/shared/data"
    program = (
        "import glob, json, sqlite3; print(json.dumps(dict(sqlite3.connect("
        f"glob.glob('{path}/*.db')[0]).execute('SELECT * FROM mapping').fetchall())))"
    )
    return dict(json.loads(inside(host, f'python3 -c "{program}"')))


def test_the_first_run_stores_and_drills_and_the_second_changes_nothing(
    host: LabHost, play: Playbook
) -> None:
    drill = state(host)["drill"]
    assert drill["apps"][APP]["rto"] > 0
    again = good(play("deploy.py"))
    assert again.changed == []
    assert good(play("deploy.py", "--dry")).planned == []
    for target in ("disk", "store"):
        assert set(state(host)["sets"][f"app:{APP}"]) == {"disk", "store"}, target
    timers = inside(host, "systemctl list-timers --plain --no-legend 'groundcrew-backup-*'")
    assert timers.count("groundcrew-backup-") == 8  # Timer and service of four kinds.


def test_nothing_secret_is_readable_or_told(host: LabHost, store: LabHost) -> None:
    assert KEY not in inside(host, "journalctl --no-pager")
    assert KEY not in (host.first.stdout + host.first.stderr if host.first else "")
    open_files = inside(
        host,
        "find /etc/groundcrew/backup /var/lib/groundcrew/backups -type f -perm /077 "
        "! -path '*/copies/apps/*'",
    )
    assert open_files == ""
    stored = inside(store, f"grep -rlF SQLite {STORE} || true")
    assert stored == "", "the target can read what is in the backups"


def test_data_comes_back_and_what_it_replaces_is_kept(host: LabHost, play: Playbook) -> None:
    chat(host, *(f"before-{number}" for number in range(5)))
    before = conversations(host)
    good(play("backup"))
    chat(host, "after")
    shown = play("restore", app=APP)
    assert shown.status == 0
    assert f"add --data restore={APP}" in shown.stderr
    assert conversations(host).keys() == before.keys() | {"after"}
    done = good(play("restore", app=APP, restore=APP, target="store"))
    assert conversations(host) == before
    assert host.get("/v1/models", DOMAIN).status_code == 200
    chat(host, "later")
    kept = inside(host, f"ls -d /srv/{APP}/.before-*").split()
    assert len(kept) == 1
    mark = kept[0].rpartition("-")[2]
    assert f"confirm={mark}" in done.stderr
    assert re.search(rf"{APP} serves its restored data, \d+ s after", done.stderr)
    wrong = play("restore", app=APP, confirm="20200101t000000")
    assert wrong.status == 1
    assert f"nothing is kept of a restore 20200101t000000 of {APP}; there is {mark}" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    good(play("restore", app=APP, confirm=mark))
    assert inside(host, f"ls -d /srv/{APP}/.before-* 2>/dev/null || true") == ""


def test_a_wrong_key_never_replaces_the_right_one(
    host: LabHost, play: Playbook, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("another-key-which-opens-nothing")
    run = play("deploy.py", **{"backup.key.file": str(tmp_path / "key")})
    assert run.status == 1
    assert "its repository of this host has another key" in run.stderr
    assert inside(host, "cat /etc/groundcrew/backup/key").strip() == KEY


def test_a_database_that_cannot_be_copied_is_told_and_all_else_is_stored(
    host: LabHost, play: Playbook
) -> None:
    folder = f"/srv/{APP}/shared/data"
    junk = f"{folder}/no.sqlite"
    inside(host, f"printf 'SQLite format 3\\0junk' > {junk}; chown {APP} {junk}")
    chat(host, "beside the junk")
    try:
        run = play("backup")
        assert run.status == 1
        assert "the SQLite database data/no.sqlite cannot be copied" in run.stderr
        assert "backup.exclude" in run.stderr
        assert "Traceback" not in run.stderr
    finally:
        inside(host, f"rm {junk}")
    before = conversations(host)
    chat(host, "later")
    good(play("restore", app=APP, restore=APP, target="disk"))
    assert conversations(host) == before
    assert inside(host, f"head -c 6 {junk}") == "SQLite"
    inside(host, f"rm {junk}")
    good(play("backup"))


def test_a_restore_that_was_cut_off_goes_on(host: LabHost, play: Playbook) -> None:
    chat(host, "cut")
    before = conversations(host)
    good(play("backup"))
    chat(host, "lost")
    assert program(host, "prepare", REQUEST).returncode == 0
    # Cut off between the two renames of a directory.
    inside(
        host,
        f"cd /srv/{APP} && mark=$(ls -d .restored-*) && mark=${{mark#.restored-}} && "
        "mkdir -m 700 .before-$mark && mv shared .before-$mark/shared",
    )
    good(play("restore", app=APP, restore=APP, target="disk"))
    assert conversations(host) == before
    assert inside(host, "cat /srv/opendify-like/.before-*/shared/data/*.db | grep -c lost") != "0\n"
    inside(host, f"rm -rf /srv/{APP}/.before-* /var/lib/groundcrew/backups/restores/*.done")


def test_a_restore_that_is_killed_goes_on(host: LabHost, play: Playbook) -> None:
    before = with_much_data(host, play)
    kill_while_fetching(host)
    assert host.get("/v1/models", DOMAIN).status_code == 200
    assert inside(host, "pgrep restic || true") == ""
    # Now it has stopped the application, and waits for its turn to replace the data.
    for step in ("prepare", "stop"):
        assert program(host, step, REQUEST).returncode == 0
    inside(
        host,
        "flock /var/lib/groundcrew/backups/work.lock sh -c '"
        f"(exec python3 -IS {PROGRAM} put \"$0\") & sleep 2; kill -9 $!' '{REQUEST}'",
    )
    assert host.get(MAPPINGS, DOMAIN).status_code == 503
    # A backup that is made now is not taken for the one that it has begun with.
    assert backed_up(host)[0] == 0
    good(play("restore", app=APP, restore=APP, target="disk"))
    assert_all_is_well(host, before)


def test_a_reboot_in_the_middle_of_a_restore(host: LabHost, play: Playbook) -> None:
    before = with_much_data(host, play)
    if os.environ.get("GROUNDCREW_FULL"):
        start_fetching(host)
        host.lose_power()
        host.power_on()
        assert host.get("/v1/models", DOMAIN).status_code == 200
    for step in ("prepare", "stop"):
        assert program(host, step, REQUEST).returncode == 0
    # Cut off between the two renames of a directory.
    inside(
        host,
        f"cd /srv/{APP} && mark=$(ls -d .restored-*) && mark=${{mark#.restored-}} && "
        "mkdir -m 700 .before-$mark && mv shared .before-$mark/shared",
    )
    host.reboot()
    # The application does not come back with half of its data.
    assert inside(host, f"systemctl is-active '{APP}@*' || true").strip() in ("", "inactive")
    assert host.get(MAPPINGS, DOMAIN).status_code == 503
    good(play("restore", app=APP, restore=APP, target="disk"))
    assert_all_is_well(host, before)


@pytest.mark.parametrize("power", [False, pytest.param(True, marks=only_full)])
def test_a_drill_that_is_cut_off_leaves_nothing(host: LabHost, power: bool) -> None:
    inside(
        host,
        "systemctl start --no-block groundcrew-backup-drill; i=0; "
        f"until systemctl is-active -q groundcrew-drill-app-{APP}; "
        "do i=$((i+1)); [ $i -lt 600 ] || exit 1; sleep 0.05; done",
    )
    if power:
        host.lose_power()
        host.power_on()
        assert backed_up(host)[0] == 0
    else:
        inside(host, "systemctl kill --kill-whom=main --signal=KILL groundcrew-backup-drill")
        wait_for_unit(host, "drill")
    assert left(host) == ""
    assert host.get("/v1/models", DOMAIN).status_code == 200
    assert drilled(host, "disk") == (0, [])
    assert left(host) == ""


def with_much_data(host: LabHost, play: Playbook) -> dict[str, str]:
    """What the application has stored, and the backup of it: enough to be caught restoring it."""
    inside(host, f"head -c 100M /dev/urandom > {LARGE} && chown {APP}: {LARGE}")
    before = conversations(host)
    good(play("backup"))
    chat(host, "lost")
    return before


def start_fetching(host: LabHost) -> None:
    """Begins a restore, and returns while it writes the large file."""
    inside(
        host,
        f"(python3 -IS {PROGRAM} prepare '{REQUEST}' >/dev/null 2>&1 &); i=0; "
        f"until ls /srv/{APP}/.restored-*{LARGE} >/dev/null 2>&1; "
        "do i=$((i+1)); [ $i -lt 2000 ] || exit 1; sleep 0.01; done",
    )


def kill_while_fetching(host: LabHost) -> None:
    start_fetching(host)
    inside(host, "pkill -9 -f 'backup[.]py prepare'; sleep 0.3")
    assert inside(host, f"ls /srv/{APP}/.restored-*/.fetched 2>/dev/null || true") == ""


def assert_all_is_well(host: LabHost, before: dict[str, str]) -> None:
    """The application serves what was in the backup, and nothing is left of the restore."""
    assert conversations(host) == before
    assert host.get("/v1/models", DOMAIN).status_code == 200
    assert left(host) == ""
    assert inside(host, "find /etc/systemd/system -name 'groundcrew-restore*'") == ""
    inside(host, f"rm -r /srv/{APP}/.before-* /var/lib/groundcrew/backups/restores/*.done {LARGE}")
    assert inside(host, f"ls -d /srv/{APP}/.restored-* 2>/dev/null || true") == ""


@only_full
def test_a_link_in_a_backup_leads_root_nowhere(host: LabHost, play: Playbook) -> None:
    """The application names a database in a directory that it has made a link before a restore."""
    folder = f"/srv/{APP}/shared/data"
    inside(host, f"runuser -u {APP} -- mkdir -p {folder}/deep")
    inside(host, f"runuser -u {APP} -- cp {folder}/*.db {folder}/deep/x.db 2>/dev/null || "
                 f"cp {folder}/$(ls {folder} | grep db | head -1) {folder}/deep/x.db")  # fmt: skip
    copies = f"/var/lib/groundcrew/backups/copies/apps/{APP}"
    assert backed_up(host)[0] == 0
    # What it has in the shared directory becomes a link to a directory of root's.
    inside(host, f"rm -r {folder}/deep && ln -s /etc {folder}/deep && test -e {copies}/data/deep")
    paths = f"--exclude {folder}/x /srv/{APP}/shared /srv/{APP}/secrets {copies}"
    made = store_by_hand(host, REPO, f"app:{APP}", paths)
    # The host has not made it, which is told first.
    assert "is not the last one" in " ".join(drilled(host, "disk")[1])
    adopt(host, f"app:{APP}", "disk", made)
    status, problems = drilled(host, "disk")
    assert status == 1
    assert "leads elsewhere" in " ".join(problems)
    assert inside(host, "ls /etc/x.db 2>/dev/null || true") == ""
    inside(host, f"rm {folder}/deep")
    assert backed_up(host)[0] == 0
    assert drilled(host, "disk") == (0, [])


Fault = tuple[str, str, str, str]

DATABASE = f"/srv/{APP}/shared/data"
# A file that was stored last, and so is restored. It is in restic's cache on the host as well.
LAST_FILE = (
    f"date > {DATABASE}/new && python3 -IS {PROGRAM} run daily && cp -a {REPO} /mnt/good "
    f"&& i=$(ls -t {REPO}/data/*/* | head -n 1)"
)
GOOD_FILES = f"rm {DATABASE}/new; rm -r {REPO} && mv /mnt/good {REPO}"
WRONG_KEY = "cp -p /etc/groundcrew/backup/key /root/key && echo other > /etc/groundcrew/backup/key"
PATIENCE = 'sed -i \'s/"timeout": {}/"timeout": {}/\' /etc/groundcrew/backup/plan.json'
"""The seconds that the application has to become healthy, which a drill of one that never does
waits out three times."""
RIGHT_KEY = "mv /root/key /etc/groundcrew/backup/key"


@pytest.mark.parametrize(
    ("plant", "mend", "told"),
    [
        pytest.param(
            f"{LAST_FILE} && dd if=/dev/zero of=$i bs=$(stat -c %s $i) count=1 conv=notrunc",
            GOOD_FILES,
            "target disk",
            id="damaged archive",
        ),
        pytest.param(
            f"{LAST_FILE} && truncate -s $(($(stat -c %s $i) / 2)) $i",
            GOOD_FILES,
            "target disk",
            id="truncated archive",
            # restic asks for the rest again and again, for a minute and a half.
            marks=only_full,
        ),
        pytest.param(
            f"mv {REPO}/data /mnt/data && mkdir {REPO}/data",
            f"rm -r {REPO}/data && mv /mnt/data {REPO}/data",
            "target disk",
            id="target that accepts and drops",
            # restic asks for what is missing again and again, for a minute and a half.
            marks=only_full,
        ),
        pytest.param(
            WRONG_KEY,
            RIGHT_KEY,
            "another key",
            id="wrong key",
        ),
        pytest.param(
            f"mv /srv/{APP}/secrets/SESSION_KEY.1 /root/ && "
            "python3 -IS /usr/local/lib/groundcrew/backup.py run daily && "
            f"mv /root/SESSION_KEY.1 /srv/{APP}/secrets/",
            "python3 -IS /usr/local/lib/groundcrew/backup.py run daily",
            "SESSION_KEY.1 is not in the backup",
            id="missing secret",
        ),
        pytest.param(
            f"{PATIENCE.format(15, 5)} && cp -a {DATABASE} /mnt/database && cd {DATABASE} && "
            "python3 -c "
            "\"import glob, sqlite3; c = sqlite3.connect(glob.glob('*.db')[0]); "
            "c.execute('ALTER TABLE mapping RENAME COLUMN remote TO distant'); c.commit()\" && "
            "python3 -IS /usr/local/lib/groundcrew/backup.py run daily",
            f"{PATIENCE.format(5, 15)}; cp -a /mnt/database/. {DATABASE}/ && rm -r /mnt/database "
            "&& python3 -IS /usr/local/lib/groundcrew/backup.py run daily",
            "status 500",
            id="release that cannot use the old schema",
        ),
        pytest.param(
            f"cp -a {DATABASE} /mnt/database && cd {DATABASE} && rm *.db && "
            "python3 -IS /usr/local/lib/groundcrew/backup.py run daily && "
            f"cp -a /mnt/database/. {DATABASE}/",
            "rm -r /mnt/database && python3 -IS /usr/local/lib/groundcrew/backup.py run daily",
            "the drill's command",
            id="empty database",
            marks=only_full,
        ),
    ],
)
def test_a_drill_notices(host: LabHost, plant: str, mend: str, told: str) -> None:
    inside(host, plant)
    try:
        status, problems = drilled(host, "disk")
    finally:
        inside(host, mend)
    assert status == 1
    assert told in " ".join(problems)
    assert inside(host, "systemctl is-active opendify-like@* | sort -u") == "active\n"


def test_verify_is_red_after_a_red_drill_and_green_after_a_green_one(
    host: LabHost, play: Playbook
) -> None:
    good(play("drill"))
    assert state(host)["drill"]["problems"] == []
    good(play("verify"))
    inside(host, WRONG_KEY)
    try:
        assert drilled(host, "disk")[0] == 1
    finally:
        inside(host, RIGHT_KEY)
    red = play("verify")
    assert red.status != 0
    assert "drill" in red.stderr
    assert drilled(host, "disk") == (0, [])


def test_a_full_target_is_told_and_the_other_target_gets_its_backup(host: LabHost) -> None:
    large = f"/srv/{APP}/shared/data/large"
    inside(
        host, f"mount -t tmpfs -o size=2M tmpfs {DIRECTORY} && head -c 4M /dev/urandom > {large}"
    )
    try:
        status, errors = backed_up(host)
    finally:
        inside(host, f"umount {DIRECTORY}; rm {large}")
    assert status == 1
    assert "target disk" in errors
    assert "no space left" in errors
    newest = state(host)["sets"][f"app:{APP}"]
    assert newest["store"]["until"] > newest["disk"]["until"]
    assert backed_up(host)[0] == 0


def test_a_disk_that_is_not_mounted_is_not_written_to(host: LabHost) -> None:
    inside(host, f"mv {DIRECTORY} {DIRECTORY}.away")
    try:
        status, errors = backed_up(host)
        assert status == 1
        assert "is its disk mounted?" in errors
        assert inside(host, f"ls -d {DIRECTORY} 2>/dev/null || true") == ""
    finally:
        inside(host, f"mv {DIRECTORY}.away {DIRECTORY}")


def test_another_host_key_ends_it_at_once(host: LabHost, store: LabHost) -> None:
    known = "/etc/groundcrew/backup/target-store.known_hosts"
    inside(host, f"cp -p {known} /root/known && sed -i 's/AAAA..../AAAAC3Nz/;s/.$/x/' {known}")
    try:
        status, errors = backed_up(host)
    finally:
        inside(host, f"mv /root/known {known}")
    assert status == 1
    assert "target store: its host key is not the one in the settings" in errors


def test_locks_of_killed_programs_are_cleared(host: LabHost) -> None:
    inside(
        host,
        f"head -c 60M /dev/urandom > {LARGE} && ({restic(REPO)} backup "
        f"/srv/{APP}/shared/data & p=$!; while ! ls {REPO}/locks/* >/dev/null 2>&1; "
        "do sleep 0.05; done; kill -9 $p; wait $p || true)",
    )
    assert inside(host, f"ls {REPO}/locks | wc -l").strip() != "0"
    assert drilled(host, "disk") == (0, [])
    assert inside(host, f"ls {REPO}/locks") == ""
    inside(host, f"rm {LARGE}")


def test_a_lock_of_another_host_is_told_and_never_broken(host: LabHost) -> None:
    holding = f"(sleep 600) | {restic(REPO)} backup --stdin --tag other"
    inside(
        host,
        f"(unshare --uts sh -c 'hostname other && exec sh -c \"{holding}\"' >/dev/null 2>&1 &) ; "
        f"i=0; while ! ls {REPO}/locks/* >/dev/null 2>&1; "
        "do i=$((i+1)); [ $i -lt 200 ] || exit 1; sleep 0.1; done",
    )
    try:
        status, [told] = drilled(host, "disk")
        assert status == 1
        assert "target disk is locked: process" in told
        assert "on other has used it with others" in told
        # Old backups cannot be removed meanwhile; new ones are stored.
        status, errors = backed_up(host)
        assert status == 1
        assert "retention at disk" in errors
        assert "another program uses its repository" in errors
        assert state(host)["sets"]["host"]["disk"]["at"] > state(host)["drill"]["at"]
        assert inside(host, f"ls {REPO}/locks") != ""
        # Killed on another host, it may be running as far as this one can tell.
        inside(host, "pkill -9 restic; pkill sleep; true")
        assert "is locked" in drilled(host, "disk")[1][0]
    finally:
        inside(host, f"pkill -9 restic; pkill sleep; {restic(REPO)} unlock --remove-all")
    assert backed_up(host)[0] == 0
    assert drilled(host, "disk") == (0, [])


def test_a_lost_host_comes_back_from_the_store(
    host: LabHost, data: dict[str, Any], inventory: Path, play: Playbook
) -> None:
    chat(host, "the last one")
    before = conversations(host)
    secret = inside(host, f"cat /srv/{APP}/secrets/SESSION_KEY.1")
    good(play("backup"))
    host.down()
    host.up()
    inside(host, f"mkdir {DIRECTORY}")
    # Another application takes the number that this one's user had.
    inside(host, "useradd --system --uid 998 somebody || true")
    good(pyinfra(host.name, data={**data, "prepare": "yes"}, inventory=inventory))
    good(play("restore", app=APP, restore=APP, target="store"))
    good(play("deploy.py"))
    assert conversations(host) == before
    assert inside(host, f"cat /srv/{APP}/secrets/SESSION_KEY.1") == secret
    owners = inside(host, f"find /srv/{APP}/shared -printf '%u\\n' | sort -u").split()
    assert set(owners) <= {APP, "root"}
    chat(host, "the first one")
    wait_for_unit(host, "drill")
    assert state(host)["drill"]["problems"] == []
