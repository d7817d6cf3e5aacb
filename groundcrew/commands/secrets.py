"""`groundcrew secrets`: the encrypted file of secrets in the project."""

from __future__ import annotations

import argparse
import getpass
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from groundcrew.project import ROOT
from groundcrew.settings.encrypted import clear, editing, file, identities, recipients
from groundcrew.settings.encrypted.errors import EncryptedFileError
from groundcrew.settings.errors import nearest

HELP = """\
# {name}: names and values, as in `API_KEY: value`; blocks are allowed (`shop: {{API_KEY: ...}}`).
# A manifest uses them as `API_KEY: {{stored: shop.API_KEY}}`. Comments are not kept.

"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command's arguments."""
    top = argparse.ArgumentParser(
        prog="groundcrew secrets",
        description="The encrypted file of secrets in the project.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in (
        ("init", "make a key of yours if you have none, and add it to the recipients"),
        ("edit", "change secrets in your editor"),
        ("show", "print secrets in clear"),
        ("rekey", "encrypt all anew for the recipients"),
    ):
        one = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        one.add_argument(
            "--file", metavar="PATH", default=file.NAME, help=f"default: {file.NAME} of the project"
        )
        if name == "show":
            one.add_argument("name", metavar="NAME", nargs="?", help="only this value, as it is")
    return top


def main(given: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit status."""
    options = parser().parse_args(given)
    path = ROOT / Path(options.file).expanduser()
    try:
        match options.command:
            case "init":
                return init(path)
            case "edit":
                return edit(path)
            case "rekey":
                return rekey(path)
        return show(path, options.name)
    except (EncryptedFileError, OSError) as error:
        print(f"groundcrew: {error}", file=sys.stderr)
        return 1


def init(path: Path) -> int:
    """Makes the operator's key and adds it to the recipients."""
    key = identities.public_key()
    if key is None:
        key = identities.make()
        print(f"{identities.default_file()}: your key. Keep a copy where this machine is not.")
    who = f"{getpass.getuser()}@{platform.node()}"
    added = recipients.add(path, key, who)
    outcome = "your public key was added" if added else "has your public key"
    print(f"{recipients.file_of(path).name}: {outcome}: {key}")
    if path.exists() and key not in file.read(path).recipients:
        print(f"Next: somebody who can decrypt {path.name} runs `groundcrew secrets rekey`")
    elif not path.exists():
        print("Next: groundcrew secrets edit")
    return 0


def edit(path: Path) -> int:
    """Opens the secrets in the editor, and writes what has changed."""
    # Before the editor, as what was typed would be lost.
    known = recipients.read(path)
    editing.editor()
    old, before = _opened(path)
    bytes_before = path.read_bytes() if path.exists() else b""
    with editing.private_directory() as folder:
        draft = folder / "secrets.yml"
        editing.create(draft, HELP.format(name=path.name) + clear.text(before))
        values = _edited(draft)
    if values is None:
        print("nothing was changed", file=sys.stderr)
        return 1
    if (path.read_bytes() if path.exists() else b"") != bytes_before:
        raise EncryptedFileError(f"{path.name} was changed meanwhile: edit it again")
    if values == before and set(known) == set(old.recipients):
        print(f"{path.name}: nothing has changed")
        return 0
    file.write(path, file.sealed(values, known, old, before))
    _tell(path, before, values)
    return 0


def _edited(draft: Path) -> dict[str, str] | None:
    """The values that were written; None if the operator gives up after a mistake. Raises
    EncryptedFileError."""
    while True:
        editing.edit(draft)
        try:
            return clear.parsed(draft.read_text(encoding="utf-8"))
        except (EncryptedFileError, UnicodeDecodeError) as error:
            print(f"groundcrew: {error}", file=sys.stderr)
            if not sys.stdin.isatty() or input("Edit again? [Y/n] ").strip().lower() == "n":
                return None


def _tell(path: Path, before: dict[str, str], after: dict[str, str]) -> None:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            how = "new" if name not in before else "removed" if name not in after else "changed"
            print(f"{path.name}: {name}: {how}")


def show(path: Path, name: str | None) -> int:
    """Prints all secrets, or one."""
    if not path.exists():
        raise EncryptedFileError(f"there is no {path}: `groundcrew secrets edit` makes it")
    content = file.read(path)
    if name is None:
        print(clear.text(file.opened(content, identities.keys())), end="")
        return 0
    if name not in content.values:
        raise EncryptedFileError(f'{path.name} has no "{name}"{nearest(name, content.values)}')
    print(file.opened(content, identities.keys(), [name])[name])
    return 0


def rekey(path: Path) -> int:
    """Encrypts all secrets anew for the recipients."""
    known = recipients.read(path)
    if not path.exists():
        raise EncryptedFileError(f"there is no {path}: `groundcrew secrets edit` makes it")
    _, values = _opened(path)
    file.write(path, file.sealed(values, known, file.Encrypted(), {}))
    count = f"{len(values)} secret{'s' if len(values) != 1 else ''}"
    for_whom = f"{len(known)} recipient{'s' if len(known) != 1 else ''}"
    print(f"{path.name}: {count} encrypted for {for_whom}")
    return 0


def _opened(path: Path) -> tuple[file.Encrypted, dict[str, str]]:
    if not path.exists():
        return file.Encrypted(), {}
    content = file.read(path)
    return content, file.opened(content, identities.keys())
