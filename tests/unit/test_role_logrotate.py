from __future__ import annotations

from groundcrew.entries import File
from groundcrew.roles.logrotate.builders import application_log, configuration, entries
from groundcrew.roles.logrotate.settings import LogrotateSettings
from groundcrew.roles.nginx.brings import LOG as NGINX

NGINX_FILE = """\
/var/log/nginx/*.log {
    daily
    rotate 14
    maxsize 100M
    compress
    delaycompress
    missingok
    notifempty
    create 0640 www-data adm
    sharedscripts
    postrotate
        [ ! -f /run/nginx.pid ] || kill -USR1 $(cat /run/nginx.pid)
    endscript
}
"""


def body(text: str) -> str:
    return text[text.index("/") :] if text.startswith("/") else text[text.index("\n/") + 1 :]


def test_nginx_reopens_its_files() -> None:
    assert body(configuration(LogrotateSettings(), NGINX)) == NGINX_FILE


def test_an_application_that_cannot_reopen_is_copied_and_truncated_as_its_user() -> None:
    log = application_log("shop", ["/srv/shop/shared/log/*.log"], user="shop", group="shop")
    text = configuration(LogrotateSettings(rotate=3, compress=False), log)
    assert "su shop shop\n" in text
    assert "copytruncate\n" in text
    assert "rotate 3\n" in text
    assert "nocompress\n" in text
    assert "create" not in text


def test_a_file_per_program_and_a_timer_that_looks_often_enough() -> None:
    files = {e.path: e for e in entries(LogrotateSettings(), [NGINX]) if isinstance(e, File)}
    assert set(files) == {
        "/etc/logrotate.d/nginx",
        "/etc/systemd/system/logrotate.timer.d/groundcrew.conf",
    }
    assert "OnCalendar=\nOnCalendar=hourly\n" in str(
        files["/etc/systemd/system/logrotate.timer.d/groundcrew.conf"].content
    )
