"""Reads the docstrings below a model's fields.

pydantic can read them too, but would do so for every class whenever a program starts.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """The description of each field of a model that has one, by the field's own name."""
    texts: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            texts |= _documented(owner.__module__).get(owner.__qualname__, {})
    return {name: text for name, text in texts.items() if name in model.model_fields}


@cache
def _documented(module: str) -> dict[str, dict[str, str]]:
    """The docstring below each name, by class of a module."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        node.name: dict(_attributes(node.body))
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _attributes(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(body):
        match statement, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
