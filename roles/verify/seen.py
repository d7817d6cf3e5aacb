"""What was seen of a host that serves applications: the input of the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from groundcrew.contract import Unit
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.expected import Expected, instance_names
from groundcrew.roles.verify.outside import Site
from groundcrew.roles.verify.settings import VerifySettings
from groundcrew.verify.seen import Seen


@dataclass(frozen=True, kw_only=True)
class SitesSeen(Seen):
    """Adds the expectations of applications and what was seen of them from outside."""

    settings: VerifySettings
    expected: Expected
    units: Mapping[str, Unit] = field(default_factory=dict)
    """Units that roles have written or hardened, by their names."""

    sites: Mapping[str, Site] = field(default_factory=dict)

    def shut_out(self, app: str, answer: Answer) -> bool:
        """Whether an answer is the one for visitors during the application's maintenance."""
        maintenance = self.report.get("maintenance")
        wait = str(self.expected.apps[app].maintenance.retry_after)
        return (
            bool(isinstance(maintenance, Mapping) and maintenance.get(app) is not None)
            and answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            and answer.value("Retry-After") == wait
        )

    def serving_units(self) -> dict[str, str]:
        """Units of roles that serve, and those of each application instance, by their titles.
        Applications without a live release are left out."""
        releases = self.section("releases")
        through = [unit for unit in self.units.values() if unit.serves]
        serving = {unit.title: unit.name for unit in through}
        for name, app in releases.items():
            units = app["units"]
            serving.update(zip(instance_names(name, len(units)), units, strict=True))
        return serving
