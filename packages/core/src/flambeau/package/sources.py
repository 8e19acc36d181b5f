"""What a module's source imports, read without running it; and the source of mocks."""

from __future__ import annotations

import ast
import importlib.machinery
import linecache
import types
from collections.abc import Iterator
from typing import Any

from .modules import Importer

# A package has this module where others were mocked: made anew by every import, it must need nothing.
MOCK_FILE = '''"""What stands for modules that were left out of this package: it can be named, not used."""


class MockedObject:
    def __new__(cls, name, *, _suppress_err=False):
        if not _suppress_err:
            raise NotImplementedError(
                f"{name!r} was mocked out when this package was made, and cannot be subclassed or made"
            )
        return super().__new__(cls)

    def __init__(self, name, *, _suppress_err=False):
        self.__dict__["_name"] = name

    def __repr__(self):
        return f"MockedObject({self._name})"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return MockedObject(f"{self._name}.{name}", _suppress_err=True)


def _refusal(name):
    def refuse(self, *args, **kwargs):
        raise NotImplementedError(
            f"{self._name!r} was mocked out when this package was made, but it is used: {name}"
        )

    return refuse


for _name in (
    "call setattr delattr getitem setitem delitem iter len contains enter exit add sub mul truediv matmul "
    "radd rsub rmul rtruediv lt le gt ge neg abs int float index"
).split():
    setattr(MockedObject, f"__{_name}__", _refusal(f"__{_name}__"))
'''
MOCKED_MODULE = """from _mock import MockedObject


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return MockedObject(f"{__name__}.{name}", _suppress_err=True)
"""


def imports(source: str, package: str) -> list[tuple[str, str | None]]:
    """(module, name) for every import in the source, relative ones resolved against `package`; name None for a whole module."""
    found: dict[tuple[str, str | None], None] = {}
    for node in ast.walk(ast.parse(source)):
        found.update(dict.fromkeys(_imported(node, package)))
    return list(found)


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, None
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:
            above = package.rsplit(".", node.level - 1)[0] if package else ""
            module = f"{above}.{module}" if module else above
        for alias in node.names:
            yield module, None if alias.name == "*" else alias.name
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        first = node.args[0] if node.args else None
        if node.func.id == "__import__" and isinstance(first, ast.Constant):
            if isinstance(first.value, str):
                yield first.value, None


def source_of(module: types.ModuleType, importer: Importer) -> tuple[str | None, str]:
    """A module's source, or None and why there is none."""
    loader: Any = getattr(module, "__loader__", None)
    filename = getattr(module, "__file__", None)
    if hasattr(loader, "get_source") and not isinstance(loader, type):
        try:
            text = loader.get_source(module.__name__)
        except (ImportError, OSError):
            text = None
        if text is not None:
            return text, ""
    if filename is None:
        if hasattr(module, "__path__"):
            return "", ""  # a folder without __init__.py
        return None, "it has no file"
    if filename.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
        return None, "it is a compiled extension; packages hold Python's source"
    lines = linecache.getlines(filename, module.__dict__)
    return ("".join(lines), "") if lines else (None, f"its source, {filename}, was not found")
