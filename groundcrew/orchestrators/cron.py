"""systemd's calendar events as schedules of cron."""

from __future__ import annotations

import re

from groundcrew.manifest.schedule import WEEKDAYS

NAMES = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "monthly": "0 0 1 * *",
    "weekly": "0 0 * * 1",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
}
CRON_DAYS = {"sun": 0, **{name: number for number, name in enumerate(WEEKDAYS[:-1], 1)}}


class NotInCronError(ValueError):
    """The calendar event cannot be written as one schedule of cron; the message says why."""


def cron(event: str) -> tuple[str, str | None]:
    """The schedule in five fields, and the time zone if the event names one. Raises
    NotInCronError."""
    words = event.split()
    zone = None
    if len(words) > 1 and re.fullmatch(r"[A-Z][A-Za-z_]*(/[A-Za-z_+/-]+)?", words[-1]):
        zone = "Etc/UTC" if words[-1] == "UTC" else words[-1]
        # The last word could also be a weekday alone.
        if words[-1].lower()[:3] in CRON_DAYS and "/" not in words[-1]:
            zone = None
        else:
            words.pop()
    if len(words) == 1 and words[0].lower() in NAMES:
        return NAMES[words[0].lower()], zone
    days = "*"
    if words and words[0][:1].isalpha():
        days = _weekdays(words.pop(0))
    month, day = "*", "*"
    if words and ":" not in words[0]:
        month, day = _date(words.pop(0))
    minute, hour = "0", "0"
    if words:
        minute, hour = _time(words.pop(0))
    if words:
        raise NotInCronError(f"`{' '.join(words)}` is unknown")
    if days != "*" and day != "*":
        raise NotInCronError("cron runs on either of weekday and day of the month, not on both")
    return f"{minute} {hour} {day} {month} {days}", zone


def _weekdays(text: str) -> str:
    parts = []
    for part in text.lower().split(","):
        names = [CRON_DAYS.get(name[:3]) for name in re.split(r"\.\.|-", part)]
        if None in names:
            raise NotInCronError(f"`{text}` are no weekdays")
        numbers = [number for number in names if number is not None]
        # Sunday is the last day of systemd's week, and the first of cron's.
        if len(numbers) == 2 and numbers[1] == 0:
            numbers[1] = 7
        parts.append("-".join(map(str, numbers)))
    return ",".join(parts)


def _date(text: str) -> tuple[str, str]:
    if "~" in text:
        raise NotInCronError("cron cannot count days from the end of a month")
    parts = text.split("-")
    if len(parts) == 3 and parts[0] != "*":
        raise NotInCronError("cron has no years")
    return _field(parts[-2], 12), _field(parts[-1], 31)


def _time(text: str) -> tuple[str, str]:
    hour, minute, *seconds = text.split(":")
    if seconds and not re.fullmatch(r"0+", seconds[0]):
        raise NotInCronError("cron has no seconds")
    return _field(minute, 59), _field(hour, 23)


def _field(text: str, last: int) -> str:
    parts = []
    for part in text.split(","):
        match = re.fullmatch(r"(\*|[0-9]+)(?:\.\.([0-9]+))?(?:/([0-9]+))?", part)
        if not match:
            raise NotInCronError(f"`{part}` is unknown")
        first = match[1] if match[1] == "*" else str(int(match[1]))
        end = f"-{int(match[2])}" if match[2] else f"-{last}" if match[3] and first != "*" else ""
        parts.append(f"{first}{end}{f'/{int(match[3])}' if match[3] else ''}")
    return ",".join(parts)
