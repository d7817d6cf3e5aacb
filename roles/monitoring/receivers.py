"""Alertmanager's receivers, and what the program between it and some chats is told. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from groundcrew.roles.monitoring.settings import (
    BotReceiver,
    DiscordReceiver,
    EmailReceiver,
    MonitoringSettings,
    Receiver,
    SlackReceiver,
    TelegramReceiver,
)

Secrets = Mapping[tuple[str, ...], str]
Secret = Callable[[str], str | None]
"""The value of one of a receiver's secrets, by its key."""


def configs(settings: MonitoringSettings, secrets: Secrets) -> dict[str, list[dict[str, Any]]]:
    """Alertmanager's configurations of all receivers, by their kind."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for name, item in settings.used.items():
        secret = _secrets_of(name, secrets)
        for kind, config in _configs(settings, item, secret):
            chosen = {key: value for key, value in config.items() if value is not None}
            kinds.setdefault(kind, []).append({"send_resolved": True, **chosen})
    return kinds


def webhook(url: str | None) -> dict[str, Any]:
    """A URL that gets alerts as JSON."""
    return {"url": url, "send_resolved": True}


def chats(settings: MonitoringSettings, secrets: Secrets) -> str:
    """The file of `chat_bridge.py`."""
    by_path = {}
    for name, item in settings.bots.items():
        secret = _secrets_of(name, secrets)
        kind = str(getattr(item, "type", ""))
        chat = {"name": name, "type": kind, "url": secret("url"), "key": secret("key")}
        by_path[path(secret)] = chat
    return json.dumps(by_path, indent=1, sort_keys=True) + "\n"


def path(secret: Secret) -> str:
    """The path at which a chat's messages are taken: nobody can guess it who does not know the
    chat's URL."""
    return hashlib.sha256(f"chat {secret('url')}".encode()).hexdigest()[:40]


def _secrets_of(name: str, secrets: Secrets) -> Secret:
    return lambda key: secrets.get(("monitoring", "receivers", name, key))


def _configs(
    settings: MonitoringSettings, item: Receiver, secret: Secret
) -> Iterator[tuple[str, dict[str, Any]]]:
    match item:
        case EmailReceiver():
            for to in item.to:
                yield "email_configs", _email(item, to, secret("password"))
        case SlackReceiver():
            shown = {"title": "", "text": TEXT}
            url = secret("url")
            yield "slack_configs", {"api_url": url, "channel": item.channel, **shown}
        case DiscordReceiver():
            yield "discord_configs", {"webhook_url": secret("url"), "title": "", "message": TEXT}
        case TelegramReceiver():
            plain = {"parse_mode": "", "message": TEXT}
            token = secret("token")
            yield "telegram_configs", {"bot_token": token, "chat_id": item.chat, **plain}
        case BotReceiver():
            url = f"http://127.0.0.1:{settings.chats_port}/{path(secret)}"
            yield "webhook_configs", {"url": url}
        case _:
            yield "webhook_configs", {"url": secret("url")}


TEXT = """\
{{ range .Alerts }}[{{ if eq .Status "resolved" }}over{{ else }}{{ .Labels.severity }}{{ end }}] \
{{ .Labels.alertname }} {{ .Labels.instance }}: {{ .Annotations.summary }}
{{ if eq .Status "firing" }}{{ .Annotations.action }}
{{ end }}{{ end }}"""
"""The same in all chats, as plain text: names of hosts and applications are no mark-up."""


def _email(item: EmailReceiver, to: str, password: str | None) -> dict[str, Any]:
    return {
        "to": to,
        "from": item.sender,
        "smarthost": item.smarthost,
        "require_tls": True,
        "auth_username": item.user,
        "auth_password": password if item.user else None,
    }
