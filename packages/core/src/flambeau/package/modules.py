"""Environments in which modules are looked up: the process's, a package's, several in order; and names of packaged modules.

A module that comes from a package is called `<torch_package_0>.name`, so that it is never taken for one of the process.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
from abc import ABC, abstractmethod
from typing import Any

from .._base.checks import check

_MARK = re.compile(r"<torch_package_\d+>\.?")


def is_mangled(name: str) -> bool:
    """Whether a module of that name comes from a package."""
    return _MARK.match(name) is not None


def demangle(name: str) -> str:
    """The name inside its package; another name as it is."""
    return _MARK.sub("", name, count=1) if is_mangled(name) else name


def is_from_package(obj: Any) -> bool:
    """Whether a module, class or function, or the class of an object, was loaded from a package.

    >>> is_from_package(3)
    False
    """
    if isinstance(obj, types.ModuleType):
        return is_mangled(obj.__name__)
    named = obj if isinstance(obj, (type, types.FunctionType)) else type(obj)
    return is_mangled(named.__module__)


class ObjNotFoundError(Exception):
    """An object is not where its name says."""


class ObjMismatchError(Exception):
    """Where an object's name says, there is another one."""


class Importer(ABC):
    """Where modules come from."""

    modules: dict[str, types.ModuleType]

    @abstractmethod
    def import_module(self, module_name: str) -> types.ModuleType:
        """The module of that name, as `importlib.import_module` gives it. ImportError where there is none."""

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """The (module, name) under which `obj` is found here; `name` instead of its own if given.

        ObjNotFoundError where there is no such object, ObjMismatchError where it is another one.
        """
        if name is None:
            name = getattr(obj, "__qualname__", None) or obj.__name__
        mangled = self.whichmodule(obj, name)
        module_name = demangle(mangled)
        try:
            found: Any = self.import_module(module_name)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, KeyError, AttributeError) as error:
            raise ObjNotFoundError(
                f"{obj!r} was not found as {module_name}.{name}: {error}"
            ) from None
        if found is not obj:
            raise ObjMismatchError(
                f"the object provided is from {_origin(mangled)}, but importing {module_name}.{name} gives another one"
                f" from {_origin(getattr(found, '__module__', ''))}; the order of importers may have to change"
            )
        return module_name, name

    def whichmodule(self, obj: Any, name: str) -> str:
        """The name of the module that an object belongs to, "__main__" where none is found."""
        module_name = getattr(obj, "__module__", None)
        if module_name is not None:
            return module_name
        for key, module in list(self.modules.items()):
            if key in ("__main__", "__mp_main__") or module is None:
                continue
            if getattr(module, name, None) is obj:
                return key
        return "__main__"


def _origin(module_name: str) -> str:
    found = _MARK.match(module_name)
    return found[0].rstrip(".") if found else "the current Python environment"


class _SysImporter(Importer):
    """The modules of this process."""

    modules = sys.modules

    def import_module(self, module_name: str) -> types.ModuleType:
        return importlib.import_module(module_name)

    def __repr__(self) -> str:
        return "sys_importer"


sys_importer = _SysImporter()


class OrderedImporter(Importer):
    """Several environments: what the first that has it says."""

    def __init__(self, *args: Importer) -> None:
        strange = [one for one in args if not isinstance(one, Importer)]
        check(
            not strange,
            lambda: f"OrderedImporter expects Importers, but got {strange[0]!r}",
            TypeError,
        )
        self._importers = list(args)
        self.modules = {}

    def import_module(self, module_name: str) -> types.ModuleType:
        reasons = []
        for one in self._importers:
            try:
                module = one.import_module(module_name)
            except ModuleNotFoundError as error:
                reasons.append(str(error))
                continue
            if is_mangled(module.__name__) and getattr(module, "__file__", None) is None:
                continue  # a folder in a package, without code
            return module
        raise ModuleNotFoundError(
            f"no importer has the module {module_name!r}: {'; '.join(reasons)}", name=module_name
        )

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        last: Exception | None = None
        for one in self._importers:
            try:
                return one.get_name(obj, name)
            except (ObjNotFoundError, ObjMismatchError) as error:
                last = error
        raise ObjNotFoundError(f"no importer has {obj!r}: {last}")

    def whichmodule(self, obj: Any, name: str) -> str:
        for one in self._importers:
            found = one.whichmodule(obj, name)
            if found != "__main__":
                return found
        return "__main__"
