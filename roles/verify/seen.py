"""Everything that was found out about a host, ready to be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from groundcrew.results.result import NotCheckedError
from roles.verify.answer import Answer
from roles.verify.expected import Expected, instance_names
from roles.verify.outside import Reached, Site
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
        """`nginx` and each instance of an application -> its unit, applications without a live
        release left out."""
        releases = self.section("releases")
        found = {"nginx": "nginx.service"} if releases else {}
        for name, app in releases.items():
            units = app["units"]
            found.update(zip(instance_names(name, len(units)), units, strict=True))
        return found
