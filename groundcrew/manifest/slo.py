"""Settings of what visitors can expect."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from groundcrew.model import Settings


class Slo(Settings):
    """What visitors can expect of the application: alerts follow from it on hosts that are
    monitored (docs/monitoring.md). Requests by the monitoring itself do not count."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": 99.9, "p99": 0.8, "least": 1}]}
    )

    success: float = Field(99.5, ge=50, le=99.999)
    """Percentage of the requests that end without a status of 5xx. The rest is the error budget."""

    p99: float = Field(2, ge=0.01, le=60)
    """Seconds within which the application begins to answer 99 of 100 requests."""

    errors: float = Field(5, gt=0, lt=100)
    """Percentage of requests with a status of 5xx within `window`, above which an alert fires."""

    window: int = Field(300, ge=30, le=3600)
    """Seconds over which errors and response times are judged."""

    least: float = Field(0.1, gt=0)
    """Requests per second: with fewer, on average, there are no alerts about errors and response
    times."""
