"""Schedules of timers: checks systemd's calendar events (systemd.time(7)) and translates cron's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from zoneinfo import available_timezones

NAMES = frozenset((
    "minutely", "hourly", "daily", "monthly", "weekly", "yearly", "annually", "anually",
    "quarterly", "semiannually", "semi-annually", "biannually", "bi-annually",
))  # fmt: skip
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WHOLE = r"[0-9]+"
_SECONDS = r"[0-9]+(?:\.[0-9]{1,6})?"
_DATE = re.compile(r"(?:(?P<year>[^~-]+)-)?(?P<month>[^~-]+)(?P<dash>[~-])(?P<day>[^~-]+)")
_YEARS, _MONTH, _DAY = (1970, 2199), (1, 12), (1, 31)
_LAST = (1, 28)
"""Range of a day that is counted from the end of the month."""
_HOUR, _SIXTY = (0, 23), (0, 59)
EXPECTED = (
    "expected systemd's calendar form, e.g. `daily`, `Mon..Fri 02:30`, `*-*-01 04:00`, or `*:0/15` "
    "for every 15 minutes"
)
_CRON_NAMES = {"@midnight": "daily", "@annually": "yearly"} | {
    f"@{name}": name for name in ("hourly", "daily", "weekly", "monthly", "yearly")
}
_CRON_FIELD = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?", re.IGNORECASE)


class _OtherError(Exception):
    """The cron schedule cannot be written as one calendar event."""


def schedule(text: str) -> str:
    """`text` unchanged. Raises ValueError, if possible with the right form, if it is no calendar
    event of systemd."""
    if is_calendar(text):
        return text
    words = text.split()
    if text.startswith("@"):
        if text.lower() in _CRON_NAMES:
            raise ValueError(f"this is cron's form: write `{_CRON_NAMES[text.lower()]}`")
        if text.lower() == "@reboot":
            raise ValueError("this is cron's form: what runs from the start on is a worker")
    if len(words) == 5:
        try:
            wanted = from_cron(words)
        except _OtherError as error:
            raise ValueError(f"this is cron's form: {error}; {EXPECTED}") from None
        if wanted and is_calendar(wanted):
            raise ValueError(f"this is cron's form: write `{wanted}`")
    raise ValueError(EXPECTED)


def is_calendar(text: str) -> bool:
    """Whether systemd accepts the text as OnCalendar."""
    words = text.split()
    if len(words) > 1 and _is_zone(words[-1]):
        words.pop()
    if len(words) == 1 and words[0].lower() in NAMES:
        return True
    weekday = bool(words) and words[0][:1].isalpha()
    if weekday and not _are_weekdays(words.pop(0)):
        return False
    dated = bool(words) and ":" not in words[0]
    if dated and not _is_date(words.pop(0)):
        return False
    timed = bool(words)
    if timed and not _is_time(words.pop(0)):
        return False
    return not words and (weekday or dated or timed)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _is_zone(word: str) -> bool:
    if word.upper() == "UTC":
        return True
    # Without a time zone database on this machine, the check is left to the host.
    return word in _zones() or (not _zones() and bool(re.fullmatch(r"[A-Z][A-Za-z_/+-]+", word)))


def _are_weekdays(text: str) -> bool:
    for part in text.lower().split(","):
        days = [_weekday(name) for name in re.split(r"\.\.|-", part)]
        if None in days or len(days) > 2 or days != sorted(days):  # type: ignore[type-var]
            return False
    return True


def _weekday(name: str) -> int | None:
    for known in (WEEKDAYS, _LONG):
        if name in known:
            return known.index(name)
    return None


def _is_date(text: str) -> bool:
    match = _DATE.fullmatch(text)
    if not match:
        return False
    from_the_end = match["dash"] == "~"
    return (
        (match["year"] is None or _are_numbers(match["year"], _YEARS, year=True))
        and _are_numbers(match["month"], _MONTH)
        and _are_numbers(match["day"], _LAST if from_the_end else _DAY, from_the_end=from_the_end)
    )


def _is_time(text: str) -> bool:
    parts = text.split(":")
    return 2 <= len(parts) <= 3 and all(
        _are_numbers(part, bounds, number=number)
        for part, bounds, number in zip(
            parts, (_HOUR, _SIXTY, (0, 59.999999)), (_WHOLE, _WHOLE, _SECONDS), strict=False
        )
    )


def _are_numbers(
    text: str,
    bounds: tuple[float, float],
    *,
    number: str = _WHOLE,
    from_the_end: bool = False,
    year: bool = False,
) -> bool:
    if text == "*":
        return True
    pattern = re.compile(rf"({number})(?:\.\.({number}))?(?:/({number}))?")
    for part in text.split(","):
        match = pattern.fullmatch(part)
        if not match:
            return False
        first, last, step = (
            float(number_text) if number_text else None for number_text in match.groups()
        )
        assert first is not None
        if year and first < 100:
            first += 2000 if first < 70 else 1900
        least, most = bounds
        if not least <= first <= most or (last is not None and not first <= last <= most):
            return False
        if number == _SECONDS and first == last:
            return False
        if step is not None and (step == 0 or (last is None and not (
            first - step >= least if from_the_end else first + step <= most
        ))):  # fmt: skip
            return False
    return True


def from_cron(words: Sequence[str]) -> str | None:
    """The calendar event for the five fields of a cron schedule; None if the fields are invalid.

    Raises _OtherError if one calendar event cannot express the schedule.
    """
    minute, hour, day, month, weekday = words
    fields = [
        _from_field(minute, 0, 59),
        _from_field(hour, 0, 23),
        _from_field(day, 1, 31),
        _from_field(month, 1, 12, _MONTHS),
        _from_weekday(weekday),
    ]
    if None in fields:
        return None
    minutes, hours, days, months, weekdays = map(str, fields)
    if days != "*" and weekdays:
        raise _OtherError("days of the month together with days of the week need two timers")
    date = "" if (months, days) == ("*", "*") else f"*-{months}-{days} "
    padded = [part.zfill(2) if part.isdecimal() else part for part in (hours, minutes)]
    return f"{f'{weekdays} ' if weekdays else ''}{date}{':'.join(padded)}"


def _from_field(text: str, least: int, most: int, names: Sequence[str] = ()) -> str | None:
    parts = []
    for part in text.split(","):
        match = _CRON_FIELD.fullmatch(part)
        if not match:
            return None
        first, last = (_number(name, names) for name in match.group(1, 2))
        step = match[3]
        if match[1] == "*":
            if match[2] or step == "0":
                return None
            parts.append("*" if step in (None, "1") else f"{least}/{step}")
        elif first is None or (match[2] and last is None):
            return None
        else:
            end = f"..{last}" if last is not None else f"..{most}" if step else ""
            parts.append(f"{first}{end}{f'/{step}' if step else ''}")
    return "*" if "*" in parts else ",".join(parts)


def _from_weekday(text: str) -> str | None:
    """Days of the week from cron's numbers, where Sunday is both 0 and 7; empty for all days."""
    days: set[int] = set()
    for part in text.split(","):
        match = _CRON_FIELD.fullmatch(part)
        if not match:
            return None
        if match[1] == "*":
            first, last = 0, 6
        else:
            names = ("sun", *WEEKDAYS[:-1])
            begin = _number(match[1], names, 0)
            end = _number(match[2], names, 0) if match[2] else 6 if match[3] else begin
            if begin is None or end is None or not 0 <= begin <= 7 or not begin <= end <= 7:
                return None
            first, last = begin, end
        days.update((day - 1) % 7 for day in range(first, last + 1, int(match[3] or 1) or 1))
    if len(days) == 7:
        return ""
    listed = sorted(days)
    if len(listed) > 2 and listed == list(range(listed[0], listed[-1] + 1)):
        return f"{WEEKDAYS[listed[0]].title()}..{WEEKDAYS[listed[-1]].title()}"
    return ",".join(WEEKDAYS[day].title() for day in listed)


def _number(name: str | None, names: Sequence[str], first: int = 1) -> int | None:
    if name is None or name == "*":
        return None
    if name.isdecimal():
        return int(name)
    return names.index(name.lower()) + first if name.lower() in names else None
