"""The state of many paths, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote
from groundcrew.entries import States


class Paths(FactBase[States]):
    """The state of existing `paths`, and of paths that match `globs`.

    `globs` are pairs of directory and file name pattern. `content` adds each file's content in
    base64, which pyinfra prints with `--debug`: never request a secret's. `generated` maps path and
    token to the file with the value: the path's content is hashed with the tokens.
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
        """The command that runs the program on the host."""
        request: dict[str, Any] = {"paths": list(paths), "globs": list(globs), "content": content}
        if generated:
            request["generated"] = generated
        return remote.command("inspect_files", json.dumps(request))

    def process(self, output: list[str]) -> States:
        """Parses the program's line of JSON."""
        states: States = json.loads(output[-1])
        return states
