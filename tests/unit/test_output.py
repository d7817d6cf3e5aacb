"""What a run prints: roles, the table of hosts, URLs, what a failure has left; at which width, in
which colours, and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from groundcrew import terminal
from groundcrew.adapter import output
from groundcrew.columns import columns
from groundcrew.console import facts, lines, mode, progress, urls
from groundcrew.console.facts import HostFacts, RoleTime, Served, Untouched
from groundcrew.console.failures import Failure
from groundcrew.console.mode import Mode
from groundcrew.console.report import report
from groundcrew.settings.errors import SettingsError
from tests.terminal import printed
from tests.unit.checkout import Checkout, Listener

CHANGED = ["Debian packages", "configuration files", "system state", "kernel parameters"]
RELEASE = "20261129T210003Z-459c72ec2018"
WIDTHS = (80, 120)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    listener = Listener()
    yield Checkout(tmp_path, listener)
    listener.socket.close()


def role(seconds: float, *changed: str, failed: tuple[str, ...] = ()) -> RoleTime:
    return RoleTime("base", seconds, 9, list(changed), list(failed))


def host(name: str, outcome: str = "succeeded", **more: object) -> HostFacts:
    given: dict[str, object] = {
        "connecting": 0.5,
        "roles": [role(12.34, *CHANGED), RoleTime("app", 2.0, 3)],
        "serving": {"shop": RELEASE},
        "gone_live": {},
    }
    return HostFacts(name, outcome, **{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            {"web1": role(12.34, *CHANGED)},
            "  base          12.3 s  changed: Debian packages; configuration files; system\n"
            "                        state; kernel parameters",
        ),
        (
            {"web1": role(12.34, "a"), "web2": role(99, "a")},
            "  base          99.0 s  changed: a (slowest: web2)",
        ),
        (
            {"web1": role(1, "a"), "web2": role(2), "web3": role(0, failed=("b",))},
            "  base           2.0 s  changed on web1: a\n"
            "                        failed on web3: b (slowest: web2)",
        ),
    ],
)
def test_a_role_has_its_seconds_and_what_it_has_changed(
    told: Mapping[str, RoleTime], text: str
) -> None:
    assert lines.role_line("base", told, width=80) == text


def test_roles_that_change_nothing_share_a_line() -> None:
    told = dict.fromkeys(("preflight", "base", "users", "ssh", "firewall", "nginx"), 0.5)
    text = lines.unchanged_line(told, width=80)
    assert text == (
        "  unchanged      3.0 s  preflight 0.5 s, base 0.5 s, users 0.5 s, ssh 0.5 s,\n"
        "                        firewall 0.5 s, nginx 0.5 s"
    )
    assert "\n" not in lines.unchanged_line(told, width=120)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    hosts = [host("web1"), host("web2.example.com", "failed"), host("网站一.example.com")]
    served = [Served(f"https://shop{number}.example.com/", "shop", ("web1",), (RELEASE,))
              for number in range(30)]  # fmt: skip
    steps = [f"{step} {number}" for number in range(20) for step in CHANGED]
    told = [
        lines.role_line("base", {"web1": role(1, *steps)}, width=width),
        *lines.table(hosts, width=width),
        *lines.url_lines(served, width=width),
    ]
    assert max(terminal.cells(line) for text in told for line in text.split("\n")) <= width
    assert told[-1] == "  and 10 more: --data report=PATH lists them"


def test_the_table_of_hosts() -> None:
    assert lines.table([host("web1"), host("网站", "failed")], width=80) == [
        "  HOST  STATE   CHANGED  SECONDS  SLOWEST ROLES",
        "  web1  ok      4        14.8     base 12.3 s, app 2.0 s",
        "  网站  failed  4        14.8     base 12.3 s, app 2.0 s",
    ]
    assert lines.table([host("web1")], width=80, dry=True)[1].split() == ["web1", "dry", "run", "4"]


def test_the_last_line_counts() -> None:
    assert lines.last_line([host("a"), host("b")], 61.26, dry=False) == (
        "groundcrew: 8 changes on 2 hosts, 61.3 s"
    )
    idle = host("a", roles=[])
    assert lines.last_line([idle], 1, dry=False) == "groundcrew: nothing to change on 1 host, 1.0 s"
    assert "1 host would be made; nothing was changed" in lines.last_line([host("a")], 1, dry=True)


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert terminal.cells("网站a") == 5 and terminal.cells("e\u0301") == 1
    assert terminal.padded("网", 4) == "网  " and terminal.padded("网", 4, right=True) == "  网"
    assert terminal.shortened("网站网站", 7) == "网站..." and terminal.shortened("abc", 3) == "abc"
    assert columns([["网站", "a"], ["web1", "b"]]) == ["网站  a", "web1  b"]
    assert terminal.folded(["网站", "网站", "x"], 8) == "网站\n网站 x"


def test_urls_have_the_visitors_scheme_and_port() -> None:
    def app(**given: object) -> SimpleNamespace:
        usual = {"scheme": "http", "tls": None, "port": 80, "prefix": "/", "domains": ("a.test",)}
        return SimpleNamespace(**{**usual, **given})

    tls = SimpleNamespace(port=8443)
    assert urls.of_app(app(), "192.0.2.1") == ["http://a.test/"]
    assert urls.of_app(app(domains=(), port=8080), "fd00::1") == ["http://[fd00::1]:8080/"]
    assert urls.of_app(app(scheme="https", tls=tls, prefix="/shop"), "") == [
        "https://a.test:8443/shop/"
    ]
    # Behind a balancer that ends TLS.
    assert urls.of_app(app(scheme="https", port=8080), "") == ["https://a.test/"]


def test_what_a_failed_run_has_left_as_it_was() -> None:
    hosts = [
        host("web1", "failed", serving={"shop": RELEASE, "blog": None}, unsure=True),
        host("web2", "not finished", serving={"shop": "new"}, gone_live={"shop": "new"}),
        host("web3", "not reached", roles=[]),
        host("web4", "not finished", roles=[], serving={}),
        host("web5", "failed", serving={}),
    ]
    apps = {item.name: ["blog", "shop"] for item in hosts}
    told = facts.untouched(hosts, apps)
    assert lines.untouched_lines(told) == [
        f"web1: still live: shop {RELEASE}",
        "web2: no release was begun: blog",
        "web3: not reached",
        "web4: nothing was changed",
        "web5: no release was begun: blog, shop",
    ]
    assert not facts.changed_nothing(told, hosts)
    assert facts.changed_nothing(told, hosts[2:4])
    # What a failed operation has done before it failed is not known.
    assert facts.untouched([host("a", "failed", roles=[], unsure=True)], {}) == []


def test_the_end_of_a_failed_run_says_what_is_as_it_was_before_the_cause() -> None:
    failure = Failure("web1", "app | build", ("a first line", "E: no such package"))
    kept = lines.untouched_lines([Untouched("web1", "shop", RELEASE, "still live")])
    text = report([failure], kept)
    assert text.split("\n")[4:] == [
        "      E: no such package",
        "",
        "  As before the run:",
        f"      web1: still live: shop {RELEASE}",
        "",
        "  web1: app | build: E: no such package",
        "  When it is fixed, run the same again: what is done is not done twice.",
    ]
    assert report([failure], nothing=True).startswith(
        "groundcrew: the run failed; nothing was changed\n"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_the_end_of_a_failed_run_is_wrapped_on_a_terminal_alone(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    failure = Failure("web1", "app | build", ("E: " + "word " * 60,))
    assert max(map(len, report([failure], wrap=True).split("\n"))) <= width
    assert max(map(len, report([failure]).split("\n"))) > 120


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({}, {}, Mode.NORMAL),
        ({"data": ["output=quiet"]}, {}, Mode.QUIET),
        ({}, {"GROUNDCREW_OUTPUT": "quiet"}, Mode.QUIET),
        ({"data": ["output=verbose"]}, {"GROUNDCREW_OUTPUT": "quiet"}, Mode.VERBOSE),
        ({"data": ["output=quiet"], "verbosity": 1}, {}, Mode.VERBOSE),
        ({"debug": True}, {}, Mode.VERBOSE),
        ({"operations": ["exec", "ls"]}, {}, Mode.VERBOSE),
        ({"operations": ["deploy.py"]}, {}, Mode.NORMAL),
        # The settings say that it is wrong.
        ({"data": ["output=loud"]}, {}, Mode.NORMAL),
    ],
)
def test_the_mode(given: dict[str, object], environment: dict[str, str], expected: Mode) -> None:
    assert mode.chosen(given, environment) is expected


def test_a_wrong_mode_in_the_environment_is_an_error() -> None:
    with pytest.raises(SettingsError, match='did you mean "quiet"'):
        mode.chosen({}, {"GROUNDCREW_OUTPUT": "quite"})


def test_hosts_words_have_no_secrets_and_no_control_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress.SHOWN, "hidden", {"s3cr3t"})
    record = logging.LogRecord("pyinfra", logging.ERROR, "", 1, "[%s] %s", (), None)
    record.args = ("web1", "\x1b[31mkey s3cr3t\x1b[0m \x1b]0;title\x07\x1b[2J\r")
    chosen = output.Lines(logging.WARNING, progress.clean, routine=False, colours=True)
    assert chosen.filter(record)
    assert record.getMessage() == ("[web1] \x1b[31mkey ******\x1b[0m \\x1b]0;title\\x07\\x1b[2J\\r")
    chosen.colours = False
    assert chosen.filter(record) and "\x1b" not in record.getMessage()
    record.levelno = logging.INFO
    assert not chosen.filter(record)


PLAY = """\
from pyinfra.operations import server
server.shell(name='base | make it', commands=['true'], _sudo=False)
server.shell(name='web | {name}', commands=[{command!r}], _sudo=False)
"""


def play(checkout: Checkout, name: str = "serve it", command: str = "true") -> None:
    checkout.write("play.py", PLAY.format(name=name, command=command))


def test_a_run_in_a_pipe_prints_roles_and_the_table_without_control_characters(
    checkout: Checkout,
) -> None:
    play(checkout)
    done = checkout.run("play.py", "-y", inventory="@local")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  base +[\d.]+ s  changed: make it\n  web +[\d.]+ s  changed: serve it$",
                     done.stderr, re.MULTILINE), done.stderr  # fmt: skip
    assert re.search(r"^  @local  ok     2        \d", done.stderr, re.MULTILINE), done.stderr
    assert re.search(r"^groundcrew: 2 changes on 1 host, [\d.]+ s$", done.stderr, re.MULTILINE)
    assert not {"\x1b", "\r"} & set(done.stderr)
    assert "Starting operation" not in done.stderr and "Success" not in done.stderr


def test_quiet_prints_the_table_and_verbose_what_pyinfra_prints(checkout: Checkout) -> None:
    play(checkout)
    quiet = checkout.run("play.py", "-y", "--data", "output=quiet", inventory="@local").stderr
    assert quiet.split("\n")[1:3] == ["", "  HOST    STATE  CHANGED  SECONDS  SLOWEST ROLES"]
    assert len(quiet.strip().split("\n")) == 4
    for loud in (
        checkout.run("play.py", "-y", inventory="@local", GROUNDCREW_OUTPUT="verbose").stderr,
        checkout.run("play.py", "-y", "-v", inventory="@local").stderr,
    ):
        assert "--> Starting operation: web | serve it" in loud and "Grand total" in loud
        assert re.search(r"^  @local  ok     2        \d", loud, re.MULTILINE)
    debug = checkout.run("play.py", "-y", "--debug", inventory="@local").stderr
    assert "[pyinfra.api.operations] Starting operation" in debug
    wrong = checkout.run("play.py", "-y", "--data", "output=loud", inventory="@local")
    assert wrong.returncode == 1 and "quiet" in wrong.stderr and "output" in wrong.stderr


def test_a_failed_run_tells_its_end_in_every_mode(checkout: Checkout) -> None:
    play(checkout, command="echo E: it is full >&2; false")
    for given in ("quiet", "normal", "verbose"):
        done = checkout.run("play.py", "-y", "--data", f"output={given}", inventory="@local")
        assert done.returncode == 1
        assert re.search(r"^  @local  failed  1        \d", done.stderr, re.MULTILINE)
        assert done.stderr.endswith(
            "groundcrew: the run failed\n\n  @local: web | serve it\n      E: it is full\n"
            "  When it is fixed, run the same again: what is done is not done twice.\n"
        ), done.stderr


def test_a_dry_run_names_what_would_change(checkout: Checkout) -> None:
    play(checkout)
    done = checkout.run("play.py", "--dry", inventory="@local")
    assert done.returncode == 0, done.stderr
    assert "  base         would change: make it\n" in done.stderr
    assert re.search(r"^  @local  dry run  2$", done.stderr, re.MULTILINE), done.stderr
    assert "2 changes on 1 host would be made; nothing was changed" in done.stderr


def on_a_terminal(checkout: Checkout, **environment: str) -> str:
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    status, text = printed([pyinfra, "@local", "play.py", "-y"], checkout.root, **environment)
    assert status == 1, text
    return text


def test_a_terminal_has_colours_unless_no_color_is_set(checkout: Checkout) -> None:
    play(checkout, command="echo E: it is full >&2; false")
    coloured = on_a_terminal(checkout)
    assert "\x1b[33m  base" in coloured and "\x1b[31m  failed" in coloured
    plain = on_a_terminal(checkout, NO_COLOR="1")
    assert "  @local  failed  1" in plain
    # What is left of control characters clears the running line.
    assert set(re.findall(r"\x1b\[[0-9;]*[A-Za-z]", plain)) <= {"\x1b[K"}
    assert "\x1b" not in on_a_terminal(checkout, TERM="dumb")
