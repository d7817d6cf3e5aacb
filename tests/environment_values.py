"""Values that shells, systemd and YAML like to change on the way to a process."""

from __future__ import annotations

import json

VALUES = {
    "AT_ONCE": "{a,b} [x] %h %% %i ! ~ * ? = == @",
    "BACKQUOTE": "`id`",
    "BACKSLASH": "a\\b\\\\c\\",
    "BACKSLASH_LETTER": "a\\nb\\x41",
    "BACKSLASH_NEWLINE": "a\\\nb",
    "CARRIAGE_RETURN": "a\rb\r\nc",
    "COMMENT": "# none",
    "COMMENT_LINES": "a\n# b\n; c",
    "CONTROL": "\x01\x1b[0m\x7f",
    "DOLLAR": "$HOME ${HOME} $$ $(id)",
    "DOUBLE_QUOTES": 'say "hi"',
    "EMPTY": "",
    "INJECTION": '"\nFORGED=1\n"',
    "INJECTION_2": '\\"\nFORGED=1',
    "JSON": json.dumps({"a": [1, 'b "c" \\ d', {"é": None}]}, ensure_ascii=False),
    "LONG": "x" * 100_000,
    "NEWLINES": "\n\nline 1\nline 2\n\n",
    "ONLY_BACKSLASH": "\\",
    "ONLY_QUOTE": '"',
    "PEM": "-----BEGIN KEY-----\nabc/+=\n-----END KEY-----\n",
    "SINGLE_QUOTE": "it's",
    "SPACES": "  before and after  ",
    "TABS": "\ta\tb\t",
    "UNICODE": "grüße 日本 🎉 \u00a0\u2028\ufeff",
}
"""By name of the variable; no FORGED must appear."""
