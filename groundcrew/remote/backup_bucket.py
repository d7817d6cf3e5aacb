"""Lists what is in a bucket of S3, which restic cannot: with curl, which can sign requests.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit


def request(target: Mapping[str, Any]) -> tuple[str, str]:
    """The address of the list of the target's directory, and the directory's path in the bucket."""
    url = urlsplit(target["url"])
    bucket, _, path = url.path.lstrip("/").partition("/")
    prefix = f"{path.strip('/')}/" if path.strip("/") else ""
    # In the order and with the letters with which it is signed.
    query = urlencode({"delimiter": "/", "list-type": "2", "prefix": prefix}, quote_via=quote,
                      safe="")  # fmt: skip
    return f"{url.scheme}://{url.netloc}/{bucket}?{query}", prefix


def names(text: str, prefix: str) -> list[str]:
    """The directories in a list."""
    prefixes = re.findall(r"<CommonPrefixes>\s*<Prefix>([^<]*)</Prefix>", text)
    paths = [html.unescape(item) for item in prefixes]
    return sorted(item[len(prefix) :].rstrip("/") for item in paths if item.startswith(prefix))


def folders(target: Mapping[str, Any], environment: Mapping[str, str], seconds: float) -> list[str]:
    """The directories in the target's directory; none if it does not tell."""
    url, prefix = request(target)
    login = f"{environment['AWS_ACCESS_KEY_ID']}:{environment['AWS_SECRET_ACCESS_KEY']}"
    escaped = login.replace("\\", r"\\").replace('"', r"\"")
    command = [
        *("/usr/bin/curl", "-q", "--silent", "--fail", "--globoff", "--proto", "=http,https"),
        *("--max-time", str(int(seconds)), "--aws-sigv4", f"aws:amz:{target['region']}:s3"),
        *(("--cacert", target["ca"]) if target.get("ca") else ()),
        *("--config", "-", url),
    ]
    plain = {key: value for key, value in environment.items() if not key.startswith("AWS_")}
    try:
        # What logs in comes over standard input: arguments can be read by all.
        result = subprocess.run(
            command, input=f'user = "{escaped}"\n', check=False, capture_output=True, text=True,
            errors="replace", timeout=seconds + 5, env=plain,
        )  # fmt: skip
    except (subprocess.TimeoutExpired, OSError):
        return []
    return names(result.stdout, prefix) if result.returncode == 0 else []
