"""Everything that was found out about a host, ready to be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from roles.verify.answer import Answer
from roles.verify.expected import Expected
from roles.verify.outside import Reached, Site
from roles.verify.result import NotCheckedError
from roles.verify.settings import VerifySettings


@dataclass(frozen=True)
class Seen:
    """What is expected of a host and what was seen, from inside and outside."""

    settings: VerifySettings
    expected: Expected
    address: str
    report: Mapping[str, Any]
    sites: Mapping[str, Site]
    reached: Reached

    def section(self, name: str) -> Any:
        """A section of the host's report. Raises NotCheckedError where it could not be made."""
        if name not in self.report:
            raise NotCheckedError("the host could not be looked at")
        data = self.report[name]
        if isinstance(data, dict) and set(data) == {"error"}:
            raise NotCheckedError(data["error"])
        return data

    def unit(self, app: str) -> str:
        """The live release's unit. Raises NotCheckedError where there is none."""
        unit = self.section("releases")[app]["unit"]
        if not unit:
            raise NotCheckedError("no release is live")
        return str(unit)

    def shut_out(self, app: str, answer: Answer) -> bool:
        """Whether an answer is what visitors get during the application's maintenance."""
        found = self.report.get("maintenance")
        wait = str(self.expected.apps[app].maintenance.retry_after)
        return (
            bool(isinstance(found, Mapping) and found.get(app) is not None)
            and answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            and answer.value("Retry-After") == wait
        )

    def serving_units(self) -> dict[str, str]:
        """`nginx` and each application -> its unit, those without a live release left out."""
        releases = self.section("releases")
        units = {name: app["unit"] for name, app in releases.items() if app["unit"]}
        return {"nginx": "nginx.service", **units} if releases else {}
