"""What the pages tell people to write, taken from their Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
COMMENT = re.compile(r"\s+#\s.*$", re.MULTILINE)
OPTIONAL = re.compile(r" \[([^][]*)\]")

SHELL = ("", "console")
LANGUAGES = (*SHELL, "yaml", "python", "text")
"""`text` is what nobody types: a tree of directories, the output of a command."""

PROGRAMS = r"pyinfra|bin/[\w-]+|vagrant|certbot|journalctl|fail2ban-client|find|git"
COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{PROGRAMS}) \S|\. bin/_setup$")
"""A span that somebody can type; the name of a program alone is a mention."""

THEIRS = re.compile(r"^\|[^|]*\|", re.MULTILINE)
"""The first cell of a row: on the pages of docs/from/ what other tools call it."""

OPTION = re.compile(r"--[a-z-]+ \S")
"""A part of a command, to be added to another."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    number: int
    language: str
    text: str
    above: str
    """The line before it."""

    @property
    def id(self) -> str:
        """How tables and reports name it."""
        return f"{self.page}-{self.number}"


@cache
def pages() -> dict[str, str]:
    """The text of every page, by its name without `.md`; `guides-django` is docs/guides/django.md.
    Translations are left out: tests/unit/test_documentation.py compares them with the originals."""
    docs = ROOT / "docs"
    files = {"README": ROOT / "README.md"}
    for file in sorted(docs.rglob("*.md")):
        path = file.relative_to(docs).with_suffix("")
        if path.parts[0] != "zh":
            files["-".join(path.parts)] = file
    return {name: file.read_text(encoding="utf-8") for name, file in files.items()}


@cache
def blocks() -> tuple[Block, ...]:
    """Every fenced block of every page."""
    return tuple(
        Block(
            page,
            number,
            match[2],
            textwrap.dedent(match[3]),
            text[: match.start()].rstrip().rpartition("\n")[2],
        )
        for page, text in pages().items()
        for number, match in enumerate(FENCE.finditer(text), start=1)
    )


def block(name: str) -> Block:
    """The block of this id."""
    return next(item for item in blocks() if item.id == name)


def spans(page: str) -> list[str]:
    """What a page has between backticks, each on one line."""
    text = FENCE.sub("", pages()[page])
    if page.startswith("from-"):
        text = THEIRS.sub("|", text)
    return [" ".join(code.split()) for code in SPAN.findall(text)]


def span(page: str, start: str) -> str:
    """The one span that begins so. Raises ValueError where there is none, or more than one."""
    [text] = {item for item in spans(page) if item.startswith(start)}
    return text


@cache
def commands() -> dict[str, tuple[str, ...]]:
    """Every command, and every option with its value, with the pages that have it; comments are
    left out."""
    pages_by_text: dict[str, list[str]] = {}
    for page in pages():
        for text in [*_in_blocks(page), *_in_spans(page)]:
            pages_by_text.setdefault(text, []).append(page)
    return {text: tuple(dict.fromkeys(names)) for text, names in pages_by_text.items()}


def _in_blocks(page: str) -> Iterator[str]:
    for item in blocks():
        if item.page == page and item.language in SHELL:
            whole = COMMENT.sub("", item.text.replace("\\\n", " "))
            yield from (" ".join(line.removeprefix("$ ").split()) for line in whole.splitlines())


def _in_spans(page: str) -> Iterator[str]:
    for text in spans(page):
        if COMMAND.match(text) or OPTION.match(text):
            yield text


def variants(command: str) -> list[str]:
    """The command without what is in brackets, and with all of it."""
    shortest = OPTIONAL.sub("", command)
    return list(dict.fromkeys([shortest, OPTIONAL.sub(r" \1", command)]))
