"""OpenSCAP's verdict on CIS level 1, of Debian's content and a tailoring made of the waivers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.audit import tools
from tests.audit.gate import NotCheckedError, Waiver

NAME = "OpenSCAP, CIS level 1 server"
NAMESPACE = "{http://checklists.nist.gov/xccdf/1.2}"
PREFIX = "xccdf_org.ssgproject.content_"
PROFILE = f"{PREFIX}profile_cis_level1_server"
TAILORED = "xccdf_groundcrew_profile_web_host"
PLACE = "/root/openscap"
CONTENT = f"{PLACE}/ssg-debian13-ds.xml"
LEAST_VERSION = "0.1.82"
LEAST_RATED = 280
"""Rules that must apply; with fewer, the host does not count as one with a kernel."""

# Only the content comes from sid: older ones have no CIS profile for Debian. linux-base is what the
# content takes for a kernel; without it, hundreds of rules do not apply.
INSTALL = f"""
set -e
apt-get -qq update
{tools.APT_INSTALL} openscap-scanner linux-base
mkdir -p {PLACE}/parts {PLACE}/lists/partial
cd {PLACE}
cat > parts/sid.sources <<SID
Types: deb
URIs: $(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/*.sources | head -n 1)
Suites: sid
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SID
sid="-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts={PLACE}/parts
     -o Dir::State::Lists={PLACE}/lists -o APT::Sandbox::User=root
     -o Acquire::Check-Valid-Until=false"
apt-get -qq $sid update
apt-get -qq $sid download ssg-debian
dpkg-deb -f ssg-debian_*.deb Version > version
dpkg --compare-versions "$(cat version)" ge {LEAST_VERSION}
dpkg-deb -x ssg-debian_*.deb content
ln -sf content/usr/share/xml/scap/ssg/content/ssg-debian13-ds.xml .
"""


@dataclass(frozen=True)
class Verdict:
    """What came of the rules."""

    counts: Counter[str]
    failed: list[str]

    @property
    def rated(self) -> int:
        """The rules that apply and that the content can check."""
        return self.counts["pass"] + len(self.failed)

    @property
    def share(self) -> float:
        """Per cent of them that are met."""
        return 100 * self.counts["pass"] / self.rated

    def __str__(self) -> str:
        """As the table has it."""
        rest = self.counts["notapplicable"]
        return f"{self.share:.1f} % ({self.counts['pass']} of {self.rated}, {rest} n/a)"


def scan(results: str, tailored: bool = False) -> str:
    """Shell command of one scan; oscap exits 2 where a rule is not met."""
    own = f"--tailoring-file tailoring.xml --profile {TAILORED}"
    profile = own if tailored else f"--profile {PROFILE}"
    return (
        f"cd {PLACE} && {{ oscap xccdf eval {profile} --results {results} {CONTENT} "
        "> oscap.log 2>&1 || test $? -eq 2; }"
    )


def tailoring(waived: Iterable[Waiver]) -> str:
    """The profile less the rules that contradict a web host, each with its reason."""
    selects = "\n".join(
        f'    <xccdf:select idref="{PREFIX}rule_{item.finding}" selected="false">'
        f"<xccdf:remark>{escape(item.reason)}</xccdf:remark></xccdf:select>"
        for item in waived
        if not item.applies
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xccdf:Tailoring xmlns:xccdf="http://checklists.nist.gov/xccdf/1.2"
    id="xccdf_groundcrew_tailoring_web_host">
  <xccdf:benchmark href="{CONTENT}"/>
  <xccdf:version time="2026-01-01T00:00:00">1</xccdf:version>
  <xccdf:Profile id="{TAILORED}" extends="{PROFILE}">
    <xccdf:title override="true">CIS level 1 server, for a web host</xccdf:title>
{selects}
  </xccdf:Profile>
</xccdf:Tailoring>
"""


def verdict(results: str) -> Verdict:
    """What oscap's results say; a rule that it could not check is not met. Raises NotCheckedError
    where too little applied."""
    counts: Counter[str] = Counter()
    failed = []
    for rule in ET.fromstring(results).iter(f"{NAMESPACE}rule-result"):
        result = rule.findtext(f"{NAMESPACE}result", "unknown")
        counts[result] += 1
        if result not in ("pass", "notapplicable", "notselected"):
            failed.append(rule.attrib["idref"].removeprefix(f"{PREFIX}rule_"))
    outcome = Verdict(counts, sorted(failed))
    if outcome.rated < LEAST_RATED:
        raise NotCheckedError(f"OpenSCAP rated too little: {dict(counts)}")
    return outcome
