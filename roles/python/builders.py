"""Where the toolchain lives and how it is called."""

from __future__ import annotations

import re
from pathlib import Path

from groundcrew.releases.plan import Toolchain
from roles.python.settings import PythonSettings

PACKAGES = ("ca-certificates", "python3", "python3-pip-whl")
LOCK = Path(__file__).with_name("uv.lock")


def uv_requirements() -> str:
    """The hash-pinned requirements file that installs uv."""
    return LOCK.read_text(encoding="utf-8")


def uv_home() -> str:
    """Directory of the pinned version of uv."""
    match = re.search(r"^uv==(\S+)", uv_requirements(), re.MULTILINE)
    assert match, f"{LOCK} pins no uv"
    return f"/opt/groundcrew/uv-{match.group(1)}"


def uv_program() -> str:
    """Path of uv itself."""
    return f"{uv_home()}/bin/uv"


def toolchain(settings: PythonSettings) -> Toolchain:
    """What builds run with."""
    environment = {"UV_DEFAULT_INDEX": settings.index_url, **settings.environment}
    return Toolchain(uv_program(), settings.interpreter, environment, settings.compile_bytecode)


def install_uv(settings: PythonSettings) -> str:
    """Shell that installs uv from the requirements on its standard input.

    pip runs from Debian's wheel of it: nothing is installed into the system's Python, and uv is
    moved into place only when it is complete.
    """
    home = uv_home()
    variables = {
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": settings.index_url,
        "PIP_ROOT_USER_ACTION": "ignore",
        **settings.environment,
    }
    exports = " ".join(f"{key}={_quoted(value)}" for key, value in variables.items())
    return (
        f"set -e; rm -rf {home}.new; mkdir -p {home}.new; cat > {home}.new/requirements.txt; "
        "set -- /usr/share/python-wheels/pip-*.whl; "
        f'env {exports} python3 "$1/pip" install --quiet '
        f"--no-cache-dir --no-deps --only-binary :all: --require-hashes --target {home}.new "
        f"--requirement {home}.new/requirements.txt; "
        f"{home}.new/bin/uv --version; rm -rf {home}; mv {home}.new {home}; "
        "find /opt/groundcrew -maxdepth 1 -name 'uv-*' "
        f"! -path {home} -exec rm -rf {{}} +"
    )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
