"""Settings of load tests."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, field_validator

from groundcrew.manifest.types import UrlPath
from groundcrew.model import Settings

SavedName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
KNOWN = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|cookie:[A-Za-z0-9_.-]+|user|random|[a-z][a-z0-9_]*")


class LoadRequest(Settings):
    """A request of a load test. In `path`, `headers`, `json`, `form` and `body`, `${env:NAME}` is a
    variable of the operator's environment, `${cookie:NAME}` a cookie, `${user}` the number of the
    user, `${random}` a random number, and `${NAME}` a value of `save`."""

    path: UrlPath
    """Path that is requested, with its query."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """HTTP method."""

    name: str | None = None
    """Name in the report; null: method and path."""

    weight: int = Field(1, ge=1)
    """How often it is chosen, compared to the others."""

    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that are sent."""

    json_body: JsonValue = Field(None, alias="json")
    """Body that is sent as JSON; null: none."""

    form: dict[str, str] | None = None
    """Fields of a form that are sent as the body."""

    body: str | None = None
    """Body that is sent as it is."""

    status: int | None = Field(None, ge=100, le=599)
    """Status code that the answer must have; null: any below 400."""

    contains: str | None = None
    """Text that the answer must contain; null: any answer."""

    save: dict[SavedName, str] = Field(default_factory=dict)
    """Values of a JSON answer that this user's later requests can use: name -> key, with dots
    between the levels (`{token: data.access_token}`)."""

    @field_validator("path", "body", "headers", "form", "json_body")
    @classmethod
    def _placeholders_are_known(cls, value: object) -> object:
        for text in strings(value):
            for name in PLACEHOLDER.findall(text):
                if not KNOWN.fullmatch(name):
                    raise ValueError(
                        f"unknown placeholder ${{{name}}}: expected env:NAME, cookie:NAME, user, "
                        "random or a name of `save`"
                    )
        return value


def strings(value: object) -> list[str]:
    """All strings of a value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return []


class Load(Settings):
    """What `groundcrew loadtest` sends, and what it expects. Options of the command take
    precedence."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"users": 100, "steps": [{"path": "/search?q=${random}"}], "p95": 0.5}]
        }
    )

    users: int = Field(50, ge=1, le=100_000)
    """Users at the same time. Each sends a request, waits for the answer, and sends the next."""

    requests: int | None = Field(None, ge=1)
    """Requests after which the test ends; null: after `duration` only."""

    duration: int = Field(60, ge=1, le=86_400)
    """Seconds after which the test ends."""

    ramp_up: int = Field(5, ge=0)
    """Seconds within which the users begin, one after the other."""

    pause: float = Field(0, ge=0)
    """Seconds between an answer and the next request of the same user."""

    timeout: float = Field(30, gt=0)
    """Seconds after which a request without an answer has failed."""

    login: tuple[LoadRequest, ...] = ()
    """Requests that each user sends once, in this order, before all others. A user whose login
    fails sends no more, and the test has failed."""

    steps: tuple[LoadRequest, ...] = ()
    """Requests that users choose from, by `weight`. Empty: `health.path`."""

    success: float = Field(99.5, ge=0, le=100)
    """Percentage of requests that must succeed at least."""

    p95: float = Field(2, gt=0)
    """Seconds within which 95 % of the answers must have come."""

    rate: float = Field(100, ge=0)
    """Requests per second that must be reached at least; 0: any."""
