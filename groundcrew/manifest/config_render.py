"""Renders an application's configuration files from the operator's templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.exceptions import (
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.need import PARTS
from groundcrew.manifest.paths import AppPaths

LEFT_OUT = {"env", "files", "needs", "secrets"}
"""Settings that are not part of `app` in templates: they have names of their own, or are hidden."""


class ConfigFileError(Exception):
    """A template cannot be rendered; the message has the place and the reason, but no values."""


class _Undefined(StrictUndefined):
    """Reports an undefined name together with the nearest defined one."""

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, Mapping):
            name = str(self._undefined_name)
            near = get_close_matches(name, list(self._undefined_obj), n=1, cutoff=0.6)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            return f'"{name}" is not defined{hint}'
        return super()._undefined_message


def context(name: str, app: AppSettings, secrets: Mapping[str, str]) -> dict[str, Any]:
    """The variables of a template."""
    paths = AppPaths(name)
    return {
        "name": name,
        "env": {key: value for key, value in app.env.items() if value is not None},
        "secrets": dict(secrets),
        "needs": {
            need: app.bound.parts.get(need) or {part: f"{need} {part}" for part in PARTS}
            for need in app.needs
        },
        "app": app.model_dump(mode="json", by_alias=True, exclude=LEFT_OUT),
        "paths": {
            "root": paths.root,
            "shared": paths.shared,
            "home": paths.home,
            "static": paths.static,
        },
    }


def render(template: Path, values: Mapping[str, Any]) -> str:
    """The rendered text. Raises ConfigFileError."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=_Undefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the results are configuration files, not HTML
    )
    # Jinja2's own tojson escapes characters for HTML.
    environment.filters["tojson"] = _json
    try:
        return environment.get_template(template.name).render(values)
    except TemplateSyntaxError as error:
        where = error.name or template.name
        raise ConfigFileError(f"{where}, line {error.lineno}: {error.message}") from None
    except UndefinedError as error:
        raise ConfigFileError(f"{_place(template, error)}: {error.message}") from None
    except TemplateNotFound as error:
        raise ConfigFileError(f"{_place(template, error)}: no template {error.name}") from None
    except TemplateError as error:
        text = f"{_place(template, error)}: {error.message or type(error).__name__}"
        raise ConfigFileError(text) from None
    except UnicodeDecodeError:
        raise ConfigFileError(f"{template.name} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigFileError(f"{template} cannot be read: {error.strerror}") from None
    except Exception as error:
        # The exception's text may contain a value that a filter rejected.
        raise ConfigFileError(f"{_place(template, error)}: {type(error).__name__}") from None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _place(template: Path, error: BaseException) -> str:
    """Template and line of an error: Jinja2 gives traceback frames the template's file name."""
    name = template.name
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.is_relative_to(template.parent):
            name = f"{path.relative_to(template.parent)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return name
