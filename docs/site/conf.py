"""Sphinx's configuration of the documentation site: `bin/docs build`.

The sources are README.md and the Markdown beside it, as people read it in the repository: nothing
in them is for Sphinx alone. The menu is below.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

SOURCES = ["README.md", "README.zh.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
FOLDERS = ["docs", "benchmarks"]

MENU = {
    "Start": ["docs/tutorial", "docs/coverage", "CHANGELOG"],
    "Guides": [
        "docs/guides/django",
        "docs/guides/flask",
        "docs/guides/fastapi",
        "docs/guides/celery",
        "docs/guides/frontends",
        "docs/guides/websockets",
        "docs/guides/monorepos",
    ],
    "How-to": [
        "docs/howto/rename-an-application",
        "docs/howto/change-a-domain",
        "docs/howto/change-a-port",
        "docs/howto/change-the-ssh-port",
        "docs/howto/replace-a-key",
        "docs/howto/rotate-secrets",
        "docs/howto/upgrade-python",
        "docs/howto/upgrade-debian",
        "docs/howto/upgrade-groundcrew",
        "docs/howto/password-sudo",
        "docs/howto/jump-host",
        "docs/howto/before-dns",
        "docs/howto/host-keys",
        "docs/howto/disk-full",
        "docs/howto/locked-out",
        "docs/howto/add-and-remove-a-host",
        "docs/howto/move-an-application",
    ],
    "Tasks": [
        "docs/operations",
        "docs/inventories",
        "docs/secrets",
        "docs/sources",
        "docs/sites",
        "docs/tls",
        "docs/databases",
        "docs/replication",
        "docs/backups",
        "docs/monitoring",
        "docs/fleet",
        "docs/outgrowing",
        "docs/swarm",
        "docs/reports",
        "docs/loadtests",
    ],
    "Reference": ["docs/settings", "docs/schemas", "docs/sizing", "docs/roles", "docs/extending"],
    "Architecture": ["docs/architecture", "docs/reliability", "CONTRIBUTING"],
    "Security": ["docs/security", "docs/hardening", "SECURITY"],
    "Audits": ["docs/audits"],
    "Benchmarks": ["docs/performance", "benchmarks/README"],
    "Coming from elsewhere": [
        "docs/from/ansible",
        "docs/from/kamal",
        "docs/from/dokku",
        "docs/from/systemd",
    ],
    "中文": ["README.zh", "docs/zh/tutorial"],
}

project = "groundcrew"
html_title = "groundcrew"
language = "en"
# Two hyphens are an option of a command, not a dash.
smartquotes = False
root_doc = "README"

extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True
highlight_language = "none"
pygments_style = "friendly"

include_patterns = [*SOURCES, *(f"{folder}/**.md" for folder in FOLDERS)]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options: dict[str, Any] = {"footer_icons": []}

ANCHOR = re.compile(r'<a id="([^"]+)">')


def leave_out(app: Any, config: Any) -> None:
    """Nothing but the pages is read: the project's directory has virtualenvs and links besides."""
    kept = {*SOURCES, *FOLDERS}
    names = (path.name for path in Path(app.srcdir).iterdir())
    config.exclude_patterns = sorted(name for name in names if name not in kept)


def add_menu(_app: Any, docname: str, source: list[str]) -> None:
    """The menu is of the first page, which does not show it."""
    if docname == root_doc:
        for caption, pages in MENU.items():
            lines = ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]
            source[0] += "\n" + "\n".join(lines) + "\n"


def know_anchors(app: Any, doctree: Any) -> None:
    """Links may lead to anchors that a page has as HTML, as on GitHub."""
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for node in doctree.findall(lambda node: node.tagname == "raw"):
        for name in ANCHOR.findall(node.astext()):
            slugs.setdefault(name, (node.line or 0, name, name))
    for node in doctree.findall(lambda node: node.tagname == "pending_xref"):
        if node["reftype"] == "myst" and node["reftarget"] in slugs:
            node["reflocalid"] = node["reftarget"]


def write_index(app: Any, exception: Exception | None) -> None:
    """The first page is what the address of the site shows."""
    if exception is None:
        shutil.copy(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("config-inited", leave_out)
    app.connect("source-read", add_menu)
    app.connect("doctree-read", know_anchors)
    app.connect("build-finished", write_index)
