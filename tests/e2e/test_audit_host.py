"""Hosts as auditors see them that nobody here wrote; tests/audit/waivers.yml says what may stay."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.audit import controls, gate, lynis, openscap, tools
from tests.audit.gate import NotCheckedError, unwaived, waivers
from tests.e2e.harness import FULL, LabHost, inside, lab, suites
from tests.e2e.strict import LYNIS, StrictHost, verdict

POLICY = {
    "bookworm": "Hardened Debian 12 (version 3)",
    "trixie": "Hardened Debian 13 (version 1)",
}
LEAST = 77
"""lynis' index, of what applies in a container."""
SHARE = 77
"""Per cent of the rules of CIS level 1 server, whether they fit a web host or not."""
VULNERABLE = "\nserver { location /img { alias /srv/images/; } }\n"


@pytest.fixture(scope="module", autouse=True)
def background(strict: StrictHost, bookworm: LabHost, trixie: LabHost) -> None:
    """lynis takes a minute on each host: it begins first and is read last. Meanwhile a host with
    strict hardening is made, and audited in tests/e2e/test_audit_strict.py."""
    first = {"bookworm": [LYNIS], "trixie": [LYNIS] if FULL else []}
    later = {"bookworm": [], "trixie": [openscap.INSTALL, openscap.scan("plain.xml")]}
    for host in (bookworm, trixie):
        script = "\n".join([*first[host.suite], *later[host.suite]])
        inside(host, "cat > /root/audit.sh", script)
        unit = "systemd-run --quiet --collect --unit=audit-lynis sh /root/audit.sh"
        inside(host, f"rm -f /var/log/lynis*; systemctl stop audit-lynis; {unit}")


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """Another host on the network of the lab, with nmap."""
    lab("up", "audit-peer")
    install = "apt-get -qq update && apt-get -qq install -y --no-install-recommends nmap"
    lab("ssh", "audit-peer", f"({install}) >/dev/null 2>&1 && nmap --version")
    yield "audit-peer"
    lab("down", "audit-peer")


def ssh_audit(host: LabHost, *options: str) -> dict[str, object]:
    """Its report. sshd forgets those that it holds a grudge against when it starts anew."""
    inside(host, "systemctl restart ssh.service")
    time.sleep(0.5)
    done = tools.run("ssh-audit", "-n", "-j", *options, host.address)
    try:
        report: dict[str, object] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise NotCheckedError(f"ssh-audit: {done.stdout}{done.stderr}") from error
    return report


def complaints(report: dict[str, object]) -> list[str]:
    """Failures and warnings of a plain run."""
    if not report.get("kex") or not report.get("banner"):
        raise NotCheckedError("ssh-audit saw no server")
    notes_of_all = [f"cve {item}" for item in report["cves"]]  # type: ignore[attr-defined]
    for section in ("kex", "key", "enc", "mac"):
        for item in report[section]:  # type: ignore[attr-defined]
            for level in ("fail", "warn"):
                notes = item["notes"].get(level, [])
                notes_of_all += [
                    f"{section} {item['algorithm']}: {level}: {note}" for note in notes
                ]
    notes = report["additional_notes"]
    return notes_of_all + [f"note: {note}" for note in notes if "throttling" in note]  # type: ignore[attr-defined]


def deviations(report: dict[str, object]) -> list[str]:
    """Where the server is not as the policy has it; a stricter one offers less."""
    if "passed" not in report:
        raise NotCheckedError("ssh-audit judged nothing")
    differences = []
    for error in report["errors"]:  # type: ignore[attr-defined]
        fewer = set(error["actual"]) < set(error["expected_required"])
        told = "fewer than the policy allows" if fewer else f"{error['actual']}"
        differences.append(f"policy: {error['mismatched_field']}: {told}")
    return differences


def test_ssh_audit_plain_and_by_its_policy(converged: LabHost) -> None:
    allowed = waivers("ssh-audit", converged.suite)
    plain = complaints(ssh_audit(converged))
    policy = deviations(ssh_audit(converged, "--skip-rate-test", "-P", POLICY[converged.suite]))
    left = unwaived(plain + policy, allowed)
    count = len(plain + policy)
    gate.record("ssh-audit", converged.suite, f"{count} findings", "0 not waived", len(allowed))
    assert left == []


def test_gixy_finds_nothing_in_what_nginx_runs_with(converged: LabHost, tmp_path: Path) -> None:
    rendered = inside(converged, "nginx -T 2>/dev/null")
    assert "server_name hello.test" in rendered
    findings = gixy(tmp_path, rendered)
    gate.record("gixy-ng", converged.suite, f"{len(findings)} findings", "0")
    assert unwaived(findings, waivers("gixy", converged.suite)) == []
    # It does look.
    assert gixy(tmp_path, rendered.replace("\nhttp {", f"\nhttp {{{VULNERABLE}", 1)) != []


def gixy(directory: Path, configuration: str) -> list[str]:
    """Its findings in a dump of nginx's configuration."""
    file = directory / "nginx.conf"
    file.write_text(configuration)
    done = tools.run("gixy", "-f", "json", str(file))
    try:
        return [f"{item['plugin']}: {item['summary']}" for item in json.loads(done.stdout)]
    except json.JSONDecodeError as error:
        raise NotCheckedError(f"gixy: {done.stdout}{done.stderr}") from error


def test_units_are_hardly_exposed_while_they_serve(converged: LabHost) -> None:
    units = {"nginx.service": 2.4}
    units |= {f"{app}@{converged.live(app)}.service": 1.0 for app in ("hello", "httpbin")}
    for unit, most in units.items():
        verdict = inside(converged, f"systemd-analyze security --no-pager {unit} | tail -n 1")
        exposure = float(verdict.split(":")[1].split()[0])
        gate.record("systemd-analyze", converged.suite, f"{unit} {exposure}", f"<= {most}")
        assert exposure <= most
    assert converged.get("/health", "hello.test").status_code == 200
    assert converged.get("/status/200", "httpbin.test").status_code == 200
    assert "[alert]" not in inside(converged, "cat /var/log/nginx/error.log")


@suites("trixie")
def test_nmap_sees_declared_ports_only(converged: LabHost, peer: str) -> None:
    hosts = {host["name"]: host for host in json.loads(lab("list", "--json"))}
    listen = 'python3 -c "import socket,time; s=socket.create_server((\\"::\\", 9997), \
family=socket.AF_INET6, dualstack_ipv6=True); time.sleep(300)"'
    inside(converged, f"systemd-run --quiet --collect --unit=audit-listen {listen}")
    addresses = {4: converged.address, 6: hosts[converged.name]["address6"]}
    try:
        with ThreadPoolExecutor() as pool:
            seen = dict(
                zip(
                    addresses,
                    pool.map(lambda item: scan(peer, *item), addresses.items()),
                    strict=True,
                )
            )
        assert ":9997" in inside(converged, "ss -ltnH")
    finally:
        inside(converged, "systemctl stop audit-listen")
    for family, opened in seen.items():
        if not opened:
            raise NotCheckedError(f"nmap saw nothing at {addresses[family]}")
        gate.record("nmap", converged.suite, f"{sorted(opened)} IPv{family}", "22, 80")
        assert opened == {22, 80}


def scan(peer: str, family: int, address: str) -> set[int]:
    """The TCP ports, of all there are, that answer another host."""
    command = f"nmap {'-6' if family == 6 else ''} -Pn -n -p- -T5 --max-retries 1 --min-rate 8000"
    document = ET.fromstring(lab("ssh", peer, f"{command} -oX - {address}"))
    return {
        int(port.attrib["portid"])
        for port in document.iter("port")
        for state in port.iter("state")
        if state.attrib["state"] == "open"
    }


def test_dev_sec_controls(converged: LabHost) -> None:
    results = controls.results(inside(converged, controls.script()))
    failed = [f"{name}: {control.says}" for name, control in results.failed.items()]
    allowed = waivers("dev-sec", converged.suite)
    beside = [item for item in allowed if not item.applies]
    counted = [name for name in failed if not any(item.covers(name) for item in beside)]
    applicable = results.applicable - (len(failed) - len(counted))
    share = 100 * (applicable - len(counted)) // applicable
    told = f"{applicable - len(counted)} of {applicable} ({share} %)"
    gate.record("dev-sec controls", converged.suite, told, ">= 95 %", len(allowed))
    assert unwaived(failed, allowed) == []
    assert share >= 95


def finished(host: LabHost) -> LabHost:
    """The host, when what began first has ended."""
    for _ in range(600):
        if inside(host, "systemctl is-active audit-lynis || true").strip() != "active":
            break
        time.sleep(1)
    return host


@suites("bookworm")
def test_lynis(converged: LabHost) -> None:
    report = inside(finished(converged), "cat /var/log/lynis-report.dat")
    log = inside(converged, "cat /var/log/lynis.log")
    lynis.judge(report, log, converged.suite, "baseline", LEAST)


def test_openscap_as_the_profile_is(trixie: LabHost) -> None:
    """What contradicts a web host and containers is counted; the tailored gate is strict's."""
    result = verdict(finished(trixie), "plain.xml")
    gate.record(f"{openscap.NAME}, baseline, not tailored", trixie.suite, result, f">= {SHARE} %")
    assert result.share >= SHARE
