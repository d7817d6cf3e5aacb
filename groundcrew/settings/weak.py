"""Detects values that are not secret: defaults from manuals, examples and images."""

from __future__ import annotations

import re

_WORDS = """
    admin administrator root user guest test demo example sample default secret secretkey pass
    passwd password passw0rd passwort letmein welcome qwerty changeme changeit changethis
    replaceme insecure dev development mysql mariadb postgres postgresql redis rabbitmq minio
    minioadmin mongo elastic django flask superset adminadmin rootroot secretpassword
    mysecretpassword topsecret devsecret devkey abc abcdef
"""
_WORD = re.compile(rf"(?:{'|'.join(sorted(_WORDS.split(), key=len, reverse=True))})\d{{0,6}}")
_PHRASE = re.compile(
    r"change[-_ ]?(me|this|it)|replace[-_ ]?(me|this)|^your[-_ ]|[-_ ]here$|django-insecure"
)
_KEY = re.compile(r"(PASSWORD|PASSWD|SECRET|SECRET_?KEY|TOKEN|API_?KEY)$", re.IGNORECASE)


def is_weak(value: str) -> bool:
    """Whether attackers would try this value first: a default, a few digits, a repeated
    character."""
    plain = re.sub(r"[\s!@#$%.*_-]+", "", value.lower())
    few_digits = plain.isdecimal() and len(plain) < 10
    return (
        few_digits
        or len(set(plain)) < 2
        or bool(_WORD.fullmatch(plain))
        or bool(_PHRASE.search(value.lower()))
    )


def looks_secret(name: str) -> bool:
    """Whether the name suggests that a variable holds a secret."""
    return bool(_KEY.search(name))
