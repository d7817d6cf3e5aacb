"""Settings of monitoring."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, Tag

from groundcrew.bindings import Place
from groundcrew.contract import Brings, GroupSettings, HostView
from groundcrew.manifest.location import UserName
from groundcrew.manifest.secret import OperatorSecret, SecretSource
from groundcrew.manifest.tls import Certificate
from groundcrew.manifest.types import Domain, OneLine, Size
from groundcrew.model import Settings, by_type
from groundcrew.sites import Site

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
Alert = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{1,63}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[^\s@,<>]+@[^\s@,<>]+$")]


class WebhookReceiver(Settings):
    """A URL that gets alerts as JSON, in [Alertmanager's
    format](https://prometheus.io/docs/alerting/latest/configuration/#webhook_config)."""

    type: Literal["webhook"]
    """Kind of receiver."""

    url: OperatorSecret
    """The URL: whoever knows it can send messages to it."""


class EmailReceiver(Settings):
    """People who get alerts by e-mail."""

    type: Literal["email"]
    """Kind of receiver."""

    to: tuple[Address, ...] = Field(min_length=1)
    """Addresses of the people."""

    sender: Address
    """Address that the messages come from."""

    smarthost: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")]
    """`HOST:PORT` of the server that sends them, which must offer STARTTLS."""

    user: OneLine | None = None
    """User at that server; null: none is needed."""

    password: OperatorSecret | None = None
    """The user's password."""


class SlackReceiver(Settings):
    """A channel of Slack, or of Mattermost and others that take Slack's messages."""

    type: Literal["slack"]
    """Kind of receiver."""

    url: OperatorSecret
    """URL of the incoming webhook."""

    channel: OneLine | None = None
    """Another channel than the webhook's own, such as `#ops`; null: its own."""


class DiscordReceiver(Settings):
    """A channel of Discord."""

    type: Literal["discord"]
    """Kind of receiver."""

    url: OperatorSecret
    """URL of the channel's webhook."""


class TelegramReceiver(Settings):
    """A chat of Telegram."""

    type: Literal["telegram"]
    """Kind of receiver."""

    token: OperatorSecret
    """Token of the bot."""

    chat: int
    """ID of the chat; that of a group is negative."""


class BotReceiver(Settings):
    """A group with a bot that has a webhook, whose format Alertmanager does not know."""

    url: OperatorSecret
    """URL of the bot's webhook."""


class DingTalkReceiver(BotReceiver):
    """A group of DingTalk (custom robot)."""

    type: Literal["dingtalk"]
    """Kind of receiver."""

    key: OperatorSecret | None = None
    """Secret with which messages are signed, if the robot's security setting is a signature."""


class FeishuReceiver(BotReceiver):
    """A group of Feishu or Lark (custom bot)."""

    type: Literal["feishu"]
    """Kind of receiver."""

    key: OperatorSecret | None = None
    """Secret with which messages are signed, if the bot verifies signatures."""


class WecomReceiver(BotReceiver):
    """A group of WeCom (group robot)."""

    type: Literal["wecom"]
    """Kind of receiver."""


KINDS = ("webhook", "email", "slack", "discord", "telegram", "dingtalk", "feishu", "wecom")
Receiver = (
    WebhookReceiver
    | EmailReceiver
    | SlackReceiver
    | DiscordReceiver
    | TelegramReceiver
    | DingTalkReceiver
    | FeishuReceiver
    | WecomReceiver
)
AnyReceiver = Annotated[
    Annotated[WebhookReceiver, Tag("that is webhook")]
    | Annotated[EmailReceiver, Tag("that is email")]
    | Annotated[SlackReceiver, Tag("that is slack")]
    | Annotated[DiscordReceiver, Tag("that is discord")]
    | Annotated[TelegramReceiver, Tag("that is telegram")]
    | Annotated[DingTalkReceiver, Tag("that is dingtalk")]
    | Annotated[FeishuReceiver, Tag("that is feishu")]
    | Annotated[WecomReceiver, Tag("that is wecom")]
    | Annotated[None, Tag("that is taken out")],
    by_type(*KINDS, expected=f"one of {', '.join(KINDS)}"),
]
"""Any kind of receiver; `type` selects it. null takes it out."""


class DashboardsSettings(Settings):
    """A site with the dashboards, over HTTPS and behind a login."""

    domains: tuple[Domain, ...] = Field(min_length=1)
    """Host names of the site, whose DNS records point to the monitoring host."""

    certificate: Certificate
    """Where the certificate comes from, as for applications (`app.*.tls.certificate`)."""

    port: int = Field(443, ge=1, le=65535)
    """Port on which nginx serves it over HTTPS. Port 80 redirects to it."""

    users: dict[UserName, OperatorSecret] = Field(min_length=1)
    """Users who may log in: user -> password. The host stores hashes of the passwords."""


class MonitoringSettings(GroupSettings):
    """Prometheus and Alertmanager, on the hosts of the inventory's group `monitoring`.

    They measure all hosts of the inventory and their applications, and have dashboards. Both listen
    on 127.0.0.1 alone, and only root and administrators may connect; `dashboards` lets others look.
    """

    also: ClassVar[tuple[str, ...]] = ("monitor",)

    receivers: dict[Name, AnyReceiver] = Field(default_factory=dict)
    """Receivers of alerts, by a name of your choice; each gets all alerts. null removes one."""

    heartbeat: OperatorSecret | None = None
    """URL that gets a message every five minutes while monitoring works, of a service that warns
    you if the message is missing. null: nothing warns you when monitoring itself is down."""

    retention: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[hdwy]$")] = "30d"
    """How long metrics are kept."""

    size: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(MB|GB|TB)$")] = "5GB"
    """Largest disk space of the metrics; the oldest are removed earlier than `retention` if
    needed."""

    backup: bool = False
    """Whether the backups of the monitoring host contain the metrics, which takes as much space
    again at the target and on the host. `playbooks/restore.py --data app=monitoring` restores them.
    Root and administrators, who may connect to the port of Prometheus, can then delete metrics."""

    interval: int = Field(15, ge=1, le=300)
    """Seconds between two measurements."""

    group_wait: int = Field(10, ge=0)
    """Seconds for which the first message about a host waits for more alerts of that name."""

    group_interval: int = Field(60, ge=1)
    """Seconds between a message and the next one about changes since then. The message that an
    alert is over may take as long."""

    repeat_interval: int = Field(4 * 3600, ge=60)
    """Seconds after which an alert that still fires is sent again."""

    lasting: dict[Alert, Annotated[int, Field(ge=0, le=30 * 86400)]] = Field(default_factory=dict)
    """Seconds for which an alert's condition must hold before it fires, by the alert's name, such
    as `{"UnitFailed": 600}`; others keep their own. They take precedence over `metrics.patience`
    and `metrics.reboot_days`."""

    dashboards: DashboardsSettings | None = None
    """A site with the dashboards, which any browser can reach. null: the dashboards can be reached
    through a tunnel to `port` only."""

    grafana: bool = False
    """Whether Grafana shows the same dashboards too, through a tunnel to `grafana_port`. Debian
    does not have it: `base.apt_sources` names the repository that provides it."""

    grafana_port: int = Field(3000, ge=1, le=65535)
    """Port of Grafana on 127.0.0.1."""

    port: int = Field(9090, ge=1, le=65535)
    """Port of Prometheus on 127.0.0.1."""

    alerts_port: int = Field(9093, ge=1, le=65535)
    """Port of Alertmanager on 127.0.0.1."""

    chats_port: int = Field(9095, ge=1, le=65535)
    """Port on 127.0.0.1 of the program that Alertmanager's messages to DingTalk, Feishu and WeCom
    pass through. It runs only if there is such a receiver."""

    memory_max: Size = "512M"
    """Largest amount of memory that Prometheus may use."""

    @property
    def used(self) -> dict[str, Receiver]:
        """The receivers that are not taken out."""
        return {name: item for name, item in self.receivers.items() if item is not None}

    def secrets(self) -> Iterator[tuple[tuple[str, ...], SecretSource]]:
        """The secrets of the operator: key in the settings -> source."""
        if self.heartbeat:
            yield ("heartbeat",), self.heartbeat
        for name, item in self.used.items():
            for key in ("url", "password", "token", "key"):
                source = getattr(item, key, None)
                if source:
                    yield ("receivers", name, key), source
        if self.dashboards:
            for user, source in self.dashboards.users.items():
                yield ("dashboards", "users", user), source

    def sites(self, place: Place) -> Iterable[Site]:
        """The dashboards, on hosts of the group."""
        from groundcrew.roles.monitoring.dashboards import site  # noqa: PLC0415 - it needs this module

        dashboards = site(self) if "monitoring" in place.groups else None
        return [dashboards] if dashboards else []

    def contradictions(self, host: HostView) -> Iterable[tuple[tuple[str, ...], str]]:
        """What the site of the dashboards and the backups have in common with applications."""
        yield from self._shared_names(host)
        yield from self._backup_conflicts(host)

    def _shared_names(self, host: HostView) -> Iterable[tuple[tuple[str, ...], str]]:
        """Host names of the dashboards that an application has too, and ports that it has for
        itself."""
        for site in self.sites(host.place):
            for name, app in host.app.items():
                both = sorted(set(site.domains) & set(app.names))
                if both:
                    reason = f'"{both[0]}" belongs to application "{name}": give them another name'
                    yield ("dashboards", "domains"), reason
                if (app.tls and app.tls.port == site.port) or (app.port == site.tls.port):
                    reason = f'port {app.port} of application "{name}" speaks another protocol'
                    yield ("dashboards", "port"), reason

    @property
    def bots(self) -> dict[str, BotReceiver]:
        """The receivers whose format Alertmanager does not know."""
        return {name: item for name, item in self.used.items() if isinstance(item, BotReceiver)}

    def _backup_conflicts(self, host: HostView) -> Iterable[tuple[tuple[str, ...], str]]:
        """Backups without a target, or with an application of the same name."""
        if not self.backup or "monitoring" not in host.place.groups:
            return
        if not host.backed_up:
            yield ("backup",), "the host has no backups: set backup.targets"
        if "monitoring" in host.app:
            yield (
                ("backup",),
                "an application of this host is called monitoring too, and a restore could not "
                "tell them apart: rename it",
            )

    def unknown(self, place: Place) -> Iterable[tuple[tuple[str, ...], str]]:
        """Names of alerts that no host brings."""
        if not self.lasting or "monitoring" not in place.groups:
            return
        known = {rule.name for host in place.hosts for rule in host.measured().rules}
        for name in sorted(self.lasting.keys() - known):
            near = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield (
                ("lasting", name),
                f"no host has an alert of this name (docs/monitoring.md lists them){meant}",
            )

    def brings(self, host: HostView) -> Brings:
        """See `roles/monitoring/brings.py`, which is imported for hosts of the group alone."""
        if "monitoring" not in host.place.groups:
            return Brings()
        from groundcrew.roles.monitoring.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
