"""The state of many paths in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote
from groundcrew.entries import States


class Paths(FactBase[States]):
    """The states of those of `paths` that exist, and of what `globs` match.

    `globs` are pairs of directory and file name pattern. `content` adds each file's content in
    base64, which pyinfra prints with `--debug`: never ask for a secret's. `generated` says where
    the values behind a file's tokens are, by path and token: it is hashed with the tokens.
    """

    @staticmethod
    def default() -> States:
        """Nothing exists."""
        return {}

    def command(
        self,
        paths: Sequence[str],
        globs: Sequence[tuple[str, str]] = (),
        content: bool = False,
        generated: Mapping[str, Mapping[str, str]] | None = None,
    ) -> StringCommand:
        """One program run for all paths."""
        request: dict[str, Any] = {"paths": list(paths), "globs": list(globs), "content": content}
        if generated:
            request["generated"] = generated
        return remote.command("inspect_files", json.dumps(request))

    def process(self, output: list[str]) -> States:
        """The program prints one line of JSON."""
        states: States = json.loads(output[-1])
        return states
