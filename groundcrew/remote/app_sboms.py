"""Prints the bills of materials of releases.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"apps": [name],
"release": ID or null for the live one}. Prints one line of JSON: application -> its CycloneDX
document, null if there is none. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from groundcrew.remote.app_files import RELEASE, live_release, text
from groundcrew.remote.sbom import SBOM


def document(app: str, release: str | None) -> Any:
    """The document of one application's release."""
    name = release or live_release(app)[0] or ""
    if not RELEASE.fullmatch(name):
        return None
    folder = Path("/srv") / app / "releases" / str(name)
    try:
        return json.loads(text(folder / SBOM) or "null")
    except ValueError:
        return None


def main() -> int:
    """Prints the documents requested in argv[1]."""
    request = json.loads(sys.argv[1])
    print(json.dumps({app: document(app, request["release"]) for app in request["apps"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
