"""The results as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.measure.profiled import Part, Run, by_role
from benchmarks.measure.script import ScriptRun

VERIFY = "verify"


def first(ours: Sequence[Run], theirs: Sequence[ScriptRun]) -> dict[str, Any]:
    """Medians of the first run, and their ratios."""
    seconds = median(run.seconds for run in ours)
    unverified = median(run.without(VERIFY) for run in ours)
    baseline = median(run.seconds for run in theirs)
    return {
        "groundcrew": seconds,
        "groundcrew_without_verify": unverified,
        "script": baseline,
        "ratio": seconds / baseline,
        "ratio_without_verify": unverified / baseline,
    }


def first_lines(
    ours: Sequence[Run], theirs: Sequence[ScriptRun], differences: Sequence[str]
) -> Iterator[str]:
    """The results of the first run, as lines of text."""
    yield "First converge of a bare host"
    yield ""
    yield f"  {'round':<8}{'groundcrew':>12}{'busy':>7}{'script':>12}{'busy':>7}"
    for number, (run, script) in enumerate(zip(ours, theirs, strict=True), 1):
        yield (
            f"  {number:<8}{run.seconds:>10.1f} s{run.busy:>7.0%}"
            f"{script.seconds:>10.1f} s{script.busy:>7.0%}"
        )
    result = first(ours, theirs)
    yield f"  {'median':<8}{result['groundcrew']:>10.1f} s{'':>7}{result['script']:>10.1f} s"
    yield ""
    yield f"  groundcrew / script                 {result['ratio']:.2f}"
    yield (
        f"  without the checks at the end       {result['ratio_without_verify']:.2f}"
        f"  ({result['groundcrew_without_verify']:.1f} s), which the script has none of"
    )
    yield ""
    yield "  where the script's time goes (medians):"
    for name in theirs[0].steps:
        yield f"    {name:<24}{median(run.steps[name] for run in theirs):>8.2f} s"
    yield ""
    yield "  where groundcrew's time goes (medians):"
    yield from role_lines(by_role(ours))
    yield ""
    if differences:
        yield f"  the two hosts DIFFER in {len(differences)} lines of benchmarks/state.sh:"
        yield from (f"    {line}" for line in differences)
    else:
        yield "  the two hosts are the same: packages, files, accounts, units, packet filter, sshd"


def noop_lines(runs: Sequence[Run], stalled: float, immediate: float) -> Iterator[str]:
    """The results of the runs without changes, as lines of text."""
    seconds = median(run.seconds for run in runs)
    commands = runs[0].commands
    yield f"Run that changes nothing (median of {len(runs)})"
    yield ""
    yield from role_lines(by_role(runs))
    yield f"    {'total':<16}{'':>12}{seconds:>10.2f} s{commands:>10}"
    yield ""
    yield f"  one SSH command (`true`), paramiko as it is      {1000 * stalled:>7.1f} ms"
    yield f"  the same with TCP_NODELAY, as groundcrew sets it {1000 * immediate:>7.1f} ms"
    yield f"  the whole run, in plain SSH commands of paramiko {seconds / stalled:>7.0f}"


def role_lines(parts: Sequence[Part]) -> Iterator[str]:
    """A table of roles."""
    yield f"    {'role':<16}{'operations':>12}{'seconds':>12}{'commands':>10}"
    for part in parts:
        yield f"    {part.role:<16}{part.name:>12}{part.seconds:>10.2f} s{part.commands:>10}"


def operation_lines(parts: Sequence[Part]) -> Iterator[str]:
    """A table of operations."""
    for part in parts:
        yield f"    {part.seconds:>8.2f} s{part.commands:>6}  {part.role} | {part.name}"
