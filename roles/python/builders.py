"""Paths of the toolchain, and the commands that install it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from groundcrew.releases.plan import Toolchain
from groundcrew.roles.python.settings import PythonSettings

PACKAGES = ("ca-certificates", "python3", "python3-pip-whl")
ROOT = "/opt/groundcrew"
SCRIPT = f"{ROOT}/install-uv.sh"
UNIT = "groundcrew-uv.service"
LOCK = Path(__file__).with_name("uv.lock")


def uv_requirements() -> str:
    """The hash-pinned requirements file that installs uv."""
    return LOCK.read_text(encoding="utf-8")


def uv_home() -> str:
    """Directory of the pinned version of uv."""
    match = re.search(r"^uv==(\S+)", uv_requirements(), re.MULTILINE)
    assert match, f"{LOCK} pins no uv"
    return f"{ROOT}/uv-{match.group(1)}"


def uv_program() -> str:
    """Path of the uv executable."""
    return f"{uv_home()}/bin/uv"


def toolchain(settings: PythonSettings, declared: Sequence[str]) -> Toolchain:
    """The toolchain of builds. `declared` are the host's Debian packages."""
    environment = {"UV_DEFAULT_INDEX": settings.index_url, **settings.environment}
    return Toolchain(
        uv=uv_program(),
        python=settings.interpreter,
        environment=environment,
        compile=settings.compile_bytecode,
        python_mirror=settings.install_mirror,
        keep_cache=settings.keep_cache,
        declared=tuple(declared),
        build_limits=settings.build_limits.directives,
    )


def install_uv(settings: PythonSettings) -> str:
    """Shell script that installs uv.

    pip runs from Debian's pip wheel, so that nothing is installed into the system's Python. uv is
    moved into place once it is complete.
    """
    home = uv_home()
    variables = {
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": settings.index_url,
        "PIP_ROOT_USER_ACTION": "ignore",
        **settings.environment,
    }
    return "\n".join(
        [
            "set -e",
            *(f"export {key}={_quoted(value)}" for key, value in variables.items()),
            f"rm -rf {home}.new",
            f"mkdir -p {home}.new",
            f"cat > {home}.new/requirements.txt <<'END'",
            f"{uv_requirements().rstrip()}",
            "END",
            "set -- /usr/share/python-wheels/pip-*.whl",
            'python3 "$1/pip" install --quiet --no-cache-dir --no-deps --only-binary :all: '
            f"--require-hashes --target {home}.new --requirement {home}.new/requirements.txt",
            f"{home}.new/bin/uv --version",
            f"rm -rf {home}",
            f"mv {home}.new {home}",
            f"find {ROOT} -maxdepth 1 -name 'uv-*' ! -path {home} -exec rm -rf {{}} +",
            "",
        ]
    )


def begin_uv() -> str:
    """Shell command that runs the script from standard input in a unit, without waiting for it.

    Only root can read the file with the script: the URL of the index may contain a password.
    """
    return (
        f"set -e; umask 077; mkdir -p -m 0755 {ROOT}; cat > {SCRIPT}; "
        f"systemctl stop {UNIT} 2>/dev/null || true; systemctl reset-failed {UNIT} 2>/dev/null || "
        f"true; systemd-run --quiet --no-block --unit={UNIT} --property=Type=oneshot "
        f"--property=RemainAfterExit=yes --property=UMask=0022 sh {SCRIPT}"
    )


def finish_uv() -> str:
    """Shell command that waits for the unit of `begin_uv`."""
    return (
        f"if ! systemctl start {UNIT}; then "
        f"journalctl --no-pager --output=cat --lines=40 --unit={UNIT} >&2; "
        f"systemctl reset-failed {UNIT}; echo 'uv was not installed' >&2; exit 1; fi; "
        f"systemctl stop {UNIT}; rm -f {SCRIPT}"
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
