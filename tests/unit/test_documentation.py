"""The documentation as a site: it builds without a warning, every link in it leads somewhere, its
search finds what people ask for, and the translations have the commands of the originals."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs.site import build
from groundcrew import tool
from tests.documented.pages import FENCE, ROOT, SPAN

SEARCH = ROOT / "tests/documented/search.js"
RECIPES = ROOT / "tests/documented/requirements/recipes.lock"
SKELETON = ROOT / "groundcrew/data/project"

QUESTIONS = {
    "where are the logs": "docs/operations",
    "rename an application": "docs/howto/rename-an-application",
    "change the SSH port": "docs/howto/change-the-ssh-port",
    "disk full": "docs/howto/disk-full",
    "set an environment variable": "docs/operations",
    "run a management command": "docs/guides/django",
    "deploy from CI": "docs/operations",
    "HTTPS certificate": "docs/tls",
    "private git repository": "docs/sources",
    "celery worker": "docs/guides/celery",
    "upload large files": "docs/sites",
    "redirect www to the domain": "docs/sites",
    "restrict a path by IP address": "docs/sites",
    "restore a backup": "docs/backups",
    "upgrade groundcrew": "docs/howto/upgrade-groundcrew",
}


class Page(HTMLParser):
    """What a page names, where it leads, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {value for key in ("id", "name") if (value := values.get(key))}
        if tag == "a" and (link := values.get("href")):
            self.links.append(link)
        if link := values.get("src") or (values.get("href") if tag == "link" else None):
            self.loaded.append(link)


def read(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def broken(site: Path) -> list[str]:
    """Links within the site that lead nowhere."""
    pages = read(site)
    wrong = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve()
            if not parts.path:
                target = path
            anchor = urllib.parse.unquote(parts.fragment)
            there = target in pages if target.suffix == ".html" else target.exists()
            if not there or (anchor and target in pages and anchor not in pages[target].ids):
                wrong.append(f"{path.relative_to(site)}: {link}")
    return wrong


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("documentation") / "site"
    done = build.build(output=output)
    assert done.returncode == 0, done.stderr
    return output


def test_every_page_is_in_the_site_and_every_link_leads_somewhere(site: Path) -> None:
    sources = [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]
    for path in sources:
        assert (site / path.relative_to(ROOT).with_suffix(".html")).is_file()
    assert (site / "index.html").is_file()
    assert broken(site) == []


def test_a_browser_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = {link for page in read(site).values() for link in page.loaded}
    assert loaded
    assert [link for link in loaded if re.match(r"(?:\w+:)?//", link)] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles) == []


def test_a_link_of_the_site_that_leads_nowhere_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"><a href="#gone"><a href="b.html"><a href="b.html#gone">'
        '<a href="c.html"><a href="https://example.com/gone"><img src="gone.png">',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text("<p>", encoding="utf-8")
    assert broken(tmp_path) == [
        "a.html: #gone", "a.html: b.html#gone", "a.html: c.html", "a.html: gone.png"
    ]  # fmt: skip


def test_a_broken_link_in_the_markdown_fails_the_build(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "README.md").write_text("# First\n\n[good](docs/page.md#key)\n", encoding="utf-8")
    (source / "docs/page.md").write_text(
        '# Page\n\n<a id="key"></a>[up](../README.md#first) [back](#key)\n\n'
        "[a](gone.md) [b](#nothing) [c](../README.md#nowhere)\n",
        encoding="utf-8",
    )
    done = build.build(source, tmp_path / "site")
    assert done.returncode != 0
    # The menu names pages that this tree does not have.
    told = [line for line in done.stderr.splitlines() if "toctree" not in line and "WARN" in line]
    assert [re.findall(r"page\.md:5.*'([^']+)' \[myst", line) for line in told] == [
        ["gone.md"], ["nothing"], ["nowhere"]
    ]  # fmt: skip


def test_the_search_finds_what_people_ask_for(site: Path) -> None:
    done = subprocess.run(
        ["node", str(SEARCH), str(site)],
        input=json.dumps(list(QUESTIONS)),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = dict(zip(QUESTIONS, json.loads(done.stdout), strict=True))
    first = {query: [hit.partition("#")[0] for hit in hits[:3]] for query, hits in shown.items()}
    assert {query: hits for query, hits in first.items() if QUESTIONS[query] not in hits} == {}


@pytest.mark.parametrize(
    ("original", "translation"),
    [("README.md", "README.zh.md"), ("docs/tutorial.md", "docs/zh/tutorial.md")],
)
def test_a_translation_has_the_commands_of_its_original(original: str, translation: str) -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in (original, translation)]
    blocks, others = ([(item[2], item[3]) for item in FENCE.finditer(text)] for text in texts)
    assert blocks == others
    spans = [{" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", t))} for t in texts]
    assert spans[0] == spans[1]
    levels = [re.findall(r"^#+", FENCE.sub("", text), flags=re.MULTILINE) for text in texts]
    assert levels[0] == levels[1]


@pytest.mark.parametrize(
    ("schema", "recipe"),
    [
        ("vendor.github-workflows", "dot-github/workflows/deploy.yml"),
        ("vendor.gitlab-ci", "dot-gitlab-ci.yml"),
    ],
)
def test_recipes_of_ci_are_valid(schema: str, recipe: str) -> None:
    program = tool.programs(RECIPES) / "check-jsonschema"
    done = subprocess.run(
        [str(program), "--builtin-schema", schema, str(SKELETON / recipe)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
