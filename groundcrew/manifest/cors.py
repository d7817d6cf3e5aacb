"""Settings of cross-origin resource sharing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from groundcrew.headers import HeaderName
from groundcrew.model import Settings, WrongValueError

Origin = Annotated[
    str, StringConstraints(pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?)$")
]  # fmt: skip
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Cors(Settings):
    """Cross-origin resource sharing (CORS), answered by nginx. The application's own CORS headers
    are dropped. Preflight requests get 204 and never reach the application."""

    origins: Annotated[tuple[Origin, ...], Field(min_length=1)]
    """Sites whose scripts may read answers (`https://shop.example.com`, without a slash at the
    end), or `"*"` for all."""

    methods: tuple[Method, ...] = ("GET", "HEAD", "POST")
    """Methods that these scripts may use."""

    headers: tuple[HeaderName, ...] = ("Authorization", "Content-Type")
    """Request headers that these scripts may send."""

    expose: tuple[HeaderName, ...] = ()
    """Response headers that these scripts may read, besides those that browsers always allow."""

    credentials: bool = False
    """Whether browsers send cookies with these requests. Refused with `"*"`, because every site
    could then act in the name of your visitors."""

    max_age: int = Field(600, ge=0)
    """Seconds for which browsers remember the answer to a preflight request."""

    @model_validator(mode="after")
    def _credentials_are_for_named_sites(self) -> Cors:
        if "*" in self.origins and self.credentials:
            raise WrongValueError(
                "credentials",
                'with origin "*", every site could act in the name of your visitors',
            )
        if "*" in self.origins and len(self.origins) > 1:
            raise WrongValueError("origins", '"*" covers all others: name either it or them')
        return self
