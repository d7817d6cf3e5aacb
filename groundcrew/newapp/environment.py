"""Finds the environment variables that the source reads, and those it cannot start without."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.reading.values import Function, Read
from groundcrew.newapp.settings_classes import Field, fields
from groundcrew.newapp.syntax import last_name, text

SECRET = re.compile(
    r"SECRET|PASSWORD|PASSWD|TOKEN|KEY$|DSN$|DATABASE_UR[LI]|DB_UR[LI]$|CREDENTIAL|_UR[LI]$|BROKER"
)
OWN = re.compile(
    r"(DJANGO_|FLASK_|APP_|FASTAPI_|JWT_|SESSION_|COOKIE_|CSRF_|WTF_CSRF_|AUTH_|ACCESS_TOKEN_|"
    r"SECURITY_)*(SECRET|SECRET_?KEY|SIGNING_KEY|SESSION_KEY|SESSION_SECRET|COOKIE_SECRET|"
    r"PASSWORD_SALT|SALT)"
)
"""Secrets that only the application uses, so that the host can generate them."""
FOREIGN = re.compile(
    r"AWS|S3|STRIPE|CAPTCHA|GITHUB|GITLAB|GOOGLE|AZURE|OIDC|OAUTH|SAML|LDAP|TWILIO|MAIL|SLACK|SENTRY|"
    r"PAYPAL|OPENAI|MINIO|BUCKET|CLIENT"
)
"""Secrets that are issued by somebody else."""
GIVEN = {"PATH", "HOME", "LANG", "USER", "TZ", "PYTHONPATH", "DJANGO_SETTINGS_MODULE", "PWD",
         "HOSTNAME", "SERVER_SOFTWARE", "PYTEST_CURRENT_TEST", "CI"}  # fmt: skip
READERS = {"get", "getenv", "setdefault"}
NAME = re.compile("[A-Z][A-Z0-9_]*")


@dataclass
class Variables:
    """The environment variables that the source reads."""

    demanded: list[str] = field(default_factory=list)
    """Variables without which the application does not start."""
    fields: list[Field] = field(default_factory=list)
    """All fields of pydantic settings."""
    optional: list[str] = field(default_factory=list)
    reads: dict[str, Read] = field(default_factory=dict)


def scan(project: Project, reader: Reader, modules: list[str], factory: str = "") -> Variables:
    """The variables that the modules read. `factory` is a function that is called as well."""
    for name in modules:
        reader.read(name)
    module, _, function = factory.partition(":")
    if function:
        _call(reader, module, function.removesuffix("()"))
    used = [item for name in modules if (frame := reader.read(name)) for item in fields(frame)]
    demanded = {name for name in reader.demanded if name not in GIVEN and NAME.fullmatch(name)}
    demanded |= {item.name for item in used if item.required}
    optional = {*reader.reads, *_read_in_functions(project, modules), *(item.name for item in used)}
    return Variables(
        sorted(demanded),
        used,
        sorted(name for name in optional - GIVEN - demanded if NAME.fullmatch(name)),
        reader.reads,
    )


def _call(reader: Reader, module: str, name: str) -> None:
    value = reader.member(module, name)
    if isinstance(value, Function):
        with reader.at(value.module):
            reader.inline(value, [], {})


def _read_in_functions(project: Project, modules: list[str]) -> Iterator[str]:
    """Variables that are read inside functions, which may never be called."""
    for name in modules:
        module = project.by_name.get(name)
        for node in ast.walk(module.tree) if module else ():
            if isinstance(node, ast.Subscript):
                owner: ast.expr | None = node.value
                read = text(node.slice) if isinstance(node.ctx, ast.Load) else None
                if isinstance(owner, ast.Name):
                    # This is usually a WSGI environment.
                    continue
            elif isinstance(node, ast.Call) and last_name(node.func) in READERS and node.args:
                owner = node.func.value if isinstance(node.func, ast.Attribute) else None
                read = text(node.args[0])
                if last_name(node.func) == "getenv":
                    owner = ast.Name("os")
            else:
                continue
            if read and NAME.fullmatch(read) and last_name(owner) in ("environ", "os"):
                yield read


def is_own(name: str, project: Project) -> bool:
    """Whether the host can generate the secret."""
    if FOREIGN.search(name):
        return False
    if OWN.fullmatch(name):
        return True
    first = name.partition("_")[0].lower()
    mine = {part.partition(".")[0].replace("_", "") for part in project.by_name}
    mine.add(re.sub(r"[^a-z0-9]", "", project.directory.resolve().name.lower()))
    rest = name.partition("_")[2]
    return first in mine and bool(rest) and bool(OWN.fullmatch(rest))


def reachable(
    project: Project, start: list[str], packages: list[str] | None = None, *, named: bool = True
) -> list[str]:
    """Modules that `start` imports, directly and indirectly, and all modules of `packages` (Django
    apps). With `named`, also modules that strings name."""
    reached: dict[str, None] = {}
    waiting = [*start]
    for package in packages or []:
        waiting += [
            name
            for name, module in project.by_name.items()
            if (name == package or name.startswith(f"{package}.")) and not module.aside
        ]
    while waiting:
        name = waiting.pop()
        module = project.by_name.get(name)
        if name in reached or module is None:
            if module is None and name in reached:
                continue
            if module is None and "." in name:
                reached[name] = None
                waiting.append(name.rpartition(".")[0])
            continue
        reached[name] = None
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        waiting += _imports(project, name, module.tree, named)
    return sorted(name for name in reached if name in project.by_name)


def _imports(project: Project, name: str, tree: ast.Module, named: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = project.absolute(node, name)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif (
            named
            and (value := text(node))
            and len(value) < 100
            and re.fullmatch(r"\w+(\.\w+)+", value)
        ):
            # `config.from_object("shop.config.Production")`.
            yield value


def frames(reader: Reader, modules: list[str]) -> list[Frame]:
    """The top-level frames of the modules."""
    return [frame for name in modules if (frame := reader.read(name)) is not None]
