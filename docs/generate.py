"""Writes the documents that follow from the code: `bin/docs`."""

from __future__ import annotations

import json
from pathlib import Path

from groundcrew.report.model import Report
from groundcrew.roles.settings import HostSettings
from groundcrew.settings.reference import section
from groundcrew.settings.schema import app_schema, model_schema

DOCS = Path(__file__).resolve().parent
COMMAND = "bin/docs"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

HEAD = f"""\
<!-- Written by {COMMAND} from the settings models: change those. -->
# Settings

Everything that can be set, with its default. What you do not set keeps the default, so that
`group_data/` and `apps/` say only what is different about your hosts. In the tables, **required**
marks a key that its block needs, and **one of** marks keys of which its block needs exactly one.

## How settings are found

Each layer is merged into the one before it:

1. the defaults below
2. the application's manifest, `apps/NAME.yml` (it becomes the block `app.NAME`)
3. `group_data/all.py`
4. `group_data/GROUP.py`, for each of the host's groups in the order the inventory lists them
5. the host's own data in the inventory
6. `--data KEY=VALUE` on the command line, with dotted keys

**Mappings are merged** key by key, however deep: a host that sets `app.shop.server.workers` changes
that value, on that host, and nothing else. **Anything else replaces** what was there, lists too.
An empty mapping changes nothing; where a table below says so, `null` takes an entry out.
One list adds up: `apps` of `group_data/all.py` and of all the host's groups. `apps_without` takes
names off again; `apps` in the inventory or in `--data` replaces the whole list.

```python
# group_data/web.py
nginx = {{"gzip_level": 7}}

# inventory/prod.py
web = ["web1", ("web2", {{"app": {{"shop": {{"server": {{"workers": 4}}}}}}}})]
```

```console
$ pyinfra inventory/prod.py deploy.py --data app.shop.server.workers=4
$ pyinfra inventory/prod.py deploy.py --data 'app.shop.domains=["shop.example.com"]'
```

Values of `--data` are read as JSON where they are JSON. A key with dots of its own goes into a
JSON mapping: `--data 'base.sysctl={{"vm.swappiness": 1}}'`.

**Where does a value come from?** This prints every value of a host with the layer that set it, and
needs no connection; secrets are masked:

```console
$ pyinfra inventory/prod.py playbooks/settings.py --limit web2 --data settings.key=app.shop
```

`--data settings.changed=true` leaves out the defaults. With
`--data settings.explain=app.shop.server.workers` it
prints a setting's type, default and meaning, and who has set it.

Names that start with `_`, and pyinfra's own (`ssh_user`, ...), are no settings. Everything else,
and `ssh_user`, `ssh_port`, `bootstrap_user` and `root_process`, is checked for all hosts before the
first connection; all errors are reported at once, each with its
key, the layer it came from, what was expected, and the nearest known key.

Manifests are YAML 1.2: `no`, `on` and `010` are strings, only `true` and `false` are booleans.
"""

APPLICATION = """\
One file `apps/NAME.yml` per application; the host's setting `apps` lists those it runs. The keys
are those of the file: in other layers they stand below `app.NAME`. Editors check and complete them
with [app.schema.json](app.schema.json), which the first line of a manifest names. Blocks that come
in several kinds, such as `server`, have one table for each kind, below the table of all keys.
"""

TITLES = {"settings": "playbooks/settings.py"}
"""Headings of blocks that are no roles."""


def settings_document() -> str:
    """docs/settings.md."""
    schema = model_schema(HostSettings)
    blocks = {key: value for key, value in schema["properties"].items() if "properties" in value}
    plain = {
        "description": "What a host runs, and where others reach it.",
        "properties": {
            key: schema["properties"][key]
            for key in ("apps", "apps_without", "idle", "servers", "address")
        },
    }
    application = {**app_schema(), "description": APPLICATION.strip()}
    sections = [
        section("Hosts", plain),
        section("Applications", application, anchor="app."),
        *(section(TITLES.get(key, key), block, prefix=f"{key}.") for key, block in blocks.items()),
    ]
    titles = [text.splitlines()[0].removeprefix("## ") for text in sections]
    contents = " · ".join(f"[{title}](#{_heading_anchor(title)})" for title in titles)
    return "\n".join([HEAD, contents, "", *sections])


def _heading_anchor(title: str) -> str:
    return "".join(char for char in title.lower() if char.isalnum() or char in "-_")


def report_schema() -> str:
    """docs/report.schema.json."""
    schema = {"$schema": DRAFT, **Report.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def documents() -> dict[Path, str]:
    """Every generated document: its path and its text."""
    return {
        DOCS / "app.schema.json": json.dumps(app_schema(), indent=2, ensure_ascii=False) + "\n",
        DOCS / "report.schema.json": report_schema(),
        DOCS / "settings.md": settings_document(),
    }


def main() -> None:
    """Write them all."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
