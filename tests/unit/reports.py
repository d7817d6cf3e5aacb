"""Reports for tests: one of a run with everything in it, as hostile as hosts can make it."""

from __future__ import annotations

from groundcrew.report import model

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}"


def checks(count: int, text: str = "is as it should be") -> list[model.Check]:
    """Results of all kinds."""
    kinds = ("ok", "ok", "ok", "n/a", "warn", "fail")
    return [
        model.Check.model_validate(
            {"name": f"check {number}", "status": kinds[number % 6], "detail": text}
        )
        for number in range(count)
    ]


def operation(name: str, seconds: float, outcome: str = "unchanged") -> model.Operation:
    """An operation with changes, if it changed anything."""
    return model.Operation.model_validate(
        {
            "name": name,
            "role": name.partition(" | ")[0],
            "outcome": outcome,
            "seconds": seconds,
            "commands": 2,
            "changes": ["File /etc/nginx/nginx.conf"] if outcome == "changed" else [],
        }
    )


def host(name: str, text: str = "is as it should be", count: int = 12) -> model.Host:
    """A host on which a release failed."""
    packages = {
        "added": [f"click 8.1 {text}"],
        "removed": ["six 1.16.0"],
        "changed": ["flask 3.0.1 -> 3.1.0"],
        "total": 20,
    }
    release = {"app": "shop", "before": "20261128-1", "after": "20261129-2", "outcome": "failed"}
    return model.Host(
        name=name,
        outcome="failed",
        seconds=42.5,
        connecting=0.3,
        operations=[
            operation("base | packages", 12.5, "changed"),
            operation("nginx | files", 0.4, "changed"),
            operation("app | shop: start, probe and switch", 9.1, "failed"),
        ],
        checks=[model.Checks(title="verify", results=checks(count, text))],
        releases=[model.Release.model_validate({**release, "packages": packages})],
        serving=[
            model.Serving(app="shop", release="20261128-1"),
            model.Serving(app="blog", release=None),
        ],
        told=[model.Told(title="backup-drill", lines=["restored in 3 s", text])],
    )


def report(text: str = "is as it should be", hosts: int = 1, count: int = 12) -> model.Report:
    """A failed run."""
    names = [f"web{number}.example.com" for number in range(1, hosts + 1)]
    failure = model.Failure(
        host=names[0],
        step="app | shop: start, probe and switch",
        cause=f"health path /health gave status 500 {text}",
        lines=["the application says: no such table", text],
        advice=["`health.path` in the manifest sets the path."],
    )
    finding = model.Finding(
        subject=f"shop.{names[0]}",
        package="flask",
        version="3.0.1",
        names=["CVE-2026-1"],
        fixed=["3.1.0"],
        title=text,
    )
    return model.Report(
        groundcrew="0.1.0",
        started="2026-11-29T12:00:00Z",
        ended="2026-11-29T12:00:43Z",
        seconds=43.1,
        files=["deploy.py"],
        inventory="inventory/prod.py",
        outcome="failed",
        failures=[failure],
        hosts=[host(name, text, count) for name in names],
        timings=[
            model.Timing(role="base", seconds=12.5, operations=1),
            model.Timing(role="app", seconds=9.1, operations=1),
        ],
        slowest=[model.Slow(host=names[0], name="base | packages", seconds=12.5)],
        audit=model.Audit(
            at="2026-11-28T08:00:00Z",
            result="vulnerable",
            subjects=2,
            findings=[finding],
            updates=[f"{names[0]}: openssl 3.0.1 -> 3.0.2"],
            not_checked=[],
        ),
        load_tests=[
            model.LoadTest(
                app="shop",
                at="2026-11-28T09:00:00Z",
                ok=True,
                requests=1000,
                failed=0,
                rate=120.5,
                p95=0.081,
                checks=checks(1),
            )
        ],
    )
