"""What verify says of sites with HTTPS."""

from __future__ import annotations

from dataclasses import replace

import pytest
from requests.structures import CaseInsensitiveDict

from groundcrew.manifest.model import AppSettings
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.certificate import Shown
from groundcrew.roles.verify.checks.https import certificate_problems, redirect_problems

GOOD = Shown(names=("shop.test",), days=60, issuer="CN=CA", protocol="TLSv1.3", http2=True)


def app(kind: str = "acme") -> AppSettings:
    certificate = {"type": kind} if kind == "acme" else {
        "type": "own", "chain": "chain.pem", "key": {"file": "key.pem"},
    }  # fmt: skip
    return AppSettings.model_validate(
        {
            "source": {"directory": "src"},
            "entry": "shop:app",
            "domains": ["shop.test"],
            "tls": {"certificate": certificate},
        }
    )


def test_a_good_one() -> None:
    assert certificate_problems(app(), GOOD, 14) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"names": ("other.test",)}, "not for shop.test"),
        ({"days": 13.5}, "13.5 days left (verify.min_certificate_days: 14)"),
        ({"distrust": "unable to get issuer"}, "not trusted: unable to get issuer"),
        ({"http2": False}, "no HTTP/2"),
        ({"error": "refused"}, "refused"),
    ],
)
def test_what_browsers_would_complain_of(change: dict[str, object], problem: str) -> None:
    assert certificate_problems(app(), replace(GOOD, **change), 14) == [problem]  # type: ignore[arg-type]


def test_the_certificate_to_start_with_is_told_from_one_s_own() -> None:
    shown = replace(GOOD, own_issuer=True, distrust="self-signed certificate")
    assert "self-signed placeholder" in certificate_problems(app(), shown, 14)[0]
    assert certificate_problems(app("own"), shown, 14) == ["not trusted: self-signed certificate"]


def test_plain_http_must_lead_to_the_same_name() -> None:
    def answer(status: int, to: str) -> Answer:
        return Answer(status, CaseInsensitiveDict({"Location": [to]}))

    assert redirect_problems(app(), answer(308, "https://shop.test/")) == []
    assert redirect_problems(app(), answer(308, "https://other.test/"))
    assert redirect_problems(app(), answer(302, "https://shop.test/"))
    assert redirect_problems(app(), Answer(error="refused")) == ["refused"]
